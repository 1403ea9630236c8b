import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import type { LoginPlaces } from './auth.ts'
import { openDockerArchiveDestination, openDockerArchiveSource } from './media/archive/docker-archive.ts'
import { openOciArchiveDestination, openOciArchiveSource } from './media/archive/oci-archive.ts'
import { openDaemonDestination, openDaemonSource } from './media/daemon.ts'
import { openDirectoryDestination, openDirectorySource } from './media/directory.ts'
import { openLayoutDestination, openLayoutSource } from './media/layout.ts'
import { openRegistryDestination, openRegistryReader } from './media/registry/registry.ts'
import type { Destination, Source } from './medium.ts'
import { type Reference, referenceText } from './reference.ts'

/** What opening a place may need. */
export interface Surroundings {
  /** False accepts any certificate and plain HTTP. */
  readonly tlsVerify: boolean
  readonly login: LoginPlaces
  readonly retryTimes: number
  /** DOCKER_HOST. */
  readonly dockerHost: string | undefined
  /** For what has to be expanded or kept for a while. */
  readonly temporary: string
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Opens the place that a reference names, for reading. */
export function openSource(reference: Reference, around: Surroundings): Promise<Source> {
  switch (reference.transport) {
    case 'docker':
      return openRegistryReader(reference.image, around)
    case 'docker-daemon':
      return openDaemonSource(reference.image, daemonOptions(around))
    case 'docker-archive':
      return openDockerArchiveSource(reference.path, reference.image, around.temporary)
    case 'oci':
      return openLayoutSource(reference.path, reference.name)
    case 'oci-archive':
      return openOciArchiveSource(reference.path, reference.name, around.temporary)
    case 'dir':
      return openDirectorySource(reference.path)
    case 'kind':
      return Promise.reject(noKind(reference, 'read from'))
  }
}

/** Opens the place that a reference names, for writing. */
export function openDestination(reference: Reference, around: Surroundings): Promise<Destination> {
  switch (reference.transport) {
    case 'docker':
      return openRegistryDestination(reference.image, around)
    case 'docker-daemon':
      return openDaemonDestination(reference.image, daemonOptions(around))
    case 'docker-archive':
      return openDockerArchiveDestination(reference.path, reference.image)
    case 'oci':
      return openLayoutDestination(reference.path, reference.name)
    case 'oci-archive':
      return openOciArchiveDestination(reference.path, reference.name)
    case 'dir':
      return openDirectoryDestination(reference.path)
    case 'kind':
      return Promise.reject(noKind(reference, 'written into'))
  }
}

function daemonOptions(around: Surroundings): { host: string | undefined; temporary: string; signal: AbortSignal } {
  return { host: around.dockerHost, temporary: around.temporary, signal: around.signal }
}

function noKind(reference: Reference, doing: string): Failure {
  return new Failure('unimplemented', `images cannot be ${doing} a kind cluster yet: that comes with the kind driver`, {
    where: referenceText(reference),
    next: ['Write a docker-archive: and load it: kind load image-archive FILE.'],
  })
}
