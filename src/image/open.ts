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
  /** The flag of the command that says so, for errors. */
  readonly tlsFlag?: string | undefined
  readonly login: LoginPlaces
  readonly retryTimes: number
  /** For what is remembered of registries; without it nothing is. */
  readonly cacheFolder?: string | undefined
  /** DOCKER_HOST. */
  readonly dockerHost: string | undefined
  /** For what has to be expanded or kept for a while. */
  readonly temporary: string
  /** How far archives and layers may expand; what is usual for each when absent. */
  readonly expansion?: ExpansionLimits | undefined
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Is told in a line why nothing happens for longer than a moment. */
  readonly tell?: ((text: string) => void) | undefined
}

/** Opens the place that a reference names, for reading; loads the one medium that it needs. */
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

/** Opens the place that a reference names, for writing; loads the one medium that it needs. */
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
