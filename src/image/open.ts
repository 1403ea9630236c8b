import type { ExpansionLimits } from '../archive/expand.ts'
import type { Clock } from '../core/clock.ts'
import type { LoginPlaces } from './auth.ts'
import { type ClusterSearch, imageInCluster } from './in-cluster.ts'
import type { DaemonOptions } from './media/daemon-call.ts'
import type { Destination, Source } from './medium.ts'
import type { ImageName } from './name.ts'
import type { Reference } from './reference.ts'

/** What opening a place may need. */
export interface ImageContext extends ClusterSearch {
  /** False accepts any certificate and plain HTTP. */
  readonly tlsVerify: boolean
  /** The command's flag for this, for errors. */
  readonly tlsFlag?: string | undefined
  readonly login: LoginPlaces
  readonly retryTimes: number
  /** For cached facts about registries; if absent, nothing is cached. */
  readonly cacheFolder?: string | undefined
  /** DOCKER_HOST. */
  readonly dockerHost: string | undefined
  /** For what has to be expanded or kept temporarily. */
  readonly temporary: string
  /** How far archives and layers may expand; if absent, the default for each. */
  readonly expansion?: ExpansionLimits | undefined
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Receives a line about why nothing happens for longer than a moment. */
  readonly tell?: ((text: string) => void) | undefined
}

/** Opens what a reference names for reading; loads only the medium that it needs. */
export async function openSource(reference: Reference, around: ImageContext): Promise<Source> {
  switch (reference.transport) {
    case 'docker':
      return openRegistrySource(reference.image, around)
    case 'docker-daemon': {
      const { openDaemonSource } = await import('./media/daemon.ts')
      return openDaemonSource(reference.image, daemonOptions(around))
    }
    case 'docker-archive': {
      const { openDockerArchiveSource } = await import('./media/archive/docker-archive.ts')
      const { path, image } = reference
      return openDockerArchiveSource(path, image, around.temporary, around.signal, undefined, around.expansion)
    }
    case 'oci': {
      const { openLayoutSource } = await import('./media/layout.ts')
      return openLayoutSource(reference.path, reference.name)
    }
    case 'oci-archive': {
      const { openOciArchiveSource } = await import('./media/archive/oci-archive.ts')
      return openOciArchiveSource(reference.path, reference.name, around.temporary, around.signal, around.expansion)
    }
    case 'dir': {
      const { openDirectorySource } = await import('./media/directory.ts')
      return openDirectorySource(reference.path)
    }
    case 'kind':
      return openRegistrySource((await imageInCluster(reference, around)).image, around)
  }
}

/** Opens what a reference names for writing; loads only the medium that it needs. */
export async function openDestination(reference: Reference, around: ImageContext): Promise<Destination> {
  switch (reference.transport) {
    case 'docker':
      return openRegistryTarget(reference.image, around)
    case 'docker-daemon': {
      const { openDaemonDestination } = await import('./media/daemon.ts')
      return openDaemonDestination(reference.image, daemonOptions(around))
    }
    case 'docker-archive': {
      const { openDockerArchiveDestination } = await import('./media/archive/docker-archive.ts')
      return openDockerArchiveDestination(reference.path, reference.image, around.expansion)
    }
    case 'oci': {
      const { openLayoutDestination } = await import('./media/layout.ts')
      return openLayoutDestination(reference.path, reference.name)
    }
    case 'oci-archive': {
      const { openOciArchiveDestination } = await import('./media/archive/oci-archive.ts')
      return openOciArchiveDestination(reference.path, reference.name)
    }
    case 'dir': {
      const { openDirectoryDestination } = await import('./media/directory.ts')
      return openDirectoryDestination(reference.path)
    }
    case 'kind':
      return openRegistryTarget((await imageInCluster(reference, around)).image, around)
  }
}

async function openRegistrySource(image: ImageName, around: ImageContext): Promise<Source> {
  const { openRegistryReader } = await import('./media/registry/registry.ts')
  return openRegistryReader(image, around)
}

async function openRegistryTarget(image: ImageName, around: ImageContext): Promise<Destination> {
  const { openRegistryDestination } = await import('./media/registry/registry.ts')
  return openRegistryDestination(image, around)
}

function daemonOptions({ dockerHost, login, temporary, signal, expansion }: ImageContext): DaemonOptions {
  return { host: dockerHost, env: login.env, temporary, signal, expansion }
}
