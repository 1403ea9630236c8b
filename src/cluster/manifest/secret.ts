import { type KubeObject, labelsOf, objectOf } from './object.ts'
import type { ManifestRequest } from './request.ts'

/** The Secret that the servers share. It is never written to a file: whoever renders objects creates it separately. */
export const secretName = 'servers-secret'
export const secretKey = 'secret'

const folder = '/etc/native-secret'
/** The value of a server's `secret`. */
export const secretFile = `${folder}/${secretKey}`

/** Readable only by the pod's group: a server refuses a secret that everybody may read. */
const mode = 0o440

/**
 * Immutable, so that it changes only by being deleted and recreated: servers that were started with different ones
 * would refuse each other.
 */
export function secretOf({ namespace }: Pick<ManifestRequest, 'namespace'>, text: string): KubeObject {
  return objectOf(
    'v1',
    'Secret',
    { name: secretName, namespace, labels: labelsOf('servers') },
    { type: 'Opaque', immutable: true, data: { [secretKey]: Buffer.from(text).toString('base64') } },
  )
}

/** Not optional: a pod without it waits, and says which Secret it lacks, whereas a server would admit everybody. */
export const secretVolume = { name: 'secret', secret: { secretName, defaultMode: mode } } as const
export const secretMount = { name: 'secret', mountPath: folder, readOnly: true } as const

/** The command with which a person creates it, once, in a cluster that `native` does not deploy to. */
export function secretCommand({ namespace }: Pick<ManifestRequest, 'namespace'>): string {
  return `kubectl create secret generic ${secretName} --namespace ${namespace} --from-literal=${secretKey}="$(openssl rand -base64 32)"`
}
