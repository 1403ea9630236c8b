import { type KubeObject, labelsOf, objectOf } from './object.ts'
import type { ManifestRequest } from './request.ts'

/** The Secret that the servers have in common. It is never written into a file: who renders objects makes it apart. */
export const secretName = 'servers-secret'
export const secretKey = 'secret'

const folder = '/etc/native-secret'
/** What a server's `secret` names. */
export const secretFile = `${folder}/${secretKey}`

/** Read by the pod's group alone: a server takes no secret that everybody may read. */
const mode = 0o440

/**
 * Immutable, so that it changes by being deleted and made anew and in no other way: servers that were started with
 * another one would refuse each other.
 */
export function secretOf({ namespace }: Pick<ManifestRequest, 'namespace'>, text: string): KubeObject {
  return objectOf(
    'v1',
    'Secret',
    { name: secretName, namespace, labels: labelsOf('servers') },
    { type: 'Opaque', immutable: true, data: { [secretKey]: Buffer.from(text).toString('base64') } },
  )
}

/** Not optional: a pod without it waits, and says which Secret it lacks, where a server would admit everybody. */
export const secretVolume = { name: 'secret', secret: { secretName, defaultMode: mode } } as const
export const secretMount = { name: 'secret', mountPath: folder, readOnly: true } as const

/** How a person makes it, once, in a cluster that `native` does not deploy to. */
export function secretCommand({ namespace }: Pick<ManifestRequest, 'namespace'>): string {
  return `kubectl create secret generic ${secretName} --namespace ${namespace} --from-literal=${secretKey}="$(openssl rand -base64 32)"`
}
