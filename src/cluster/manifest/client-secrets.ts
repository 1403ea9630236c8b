import type { Deployment } from '../../config/deployment.ts'
import { type KubeObject, labelsOf, objectOf } from './object.ts'
import type { ManifestRequest } from './request.ts'

/**
 * Secrets for the connection between clients and servers. Like the servers' own Secret, they are never written to a
 * file.
 */

/** Do the Gateways use TLS? */
export function speaksTls({ tls = 'off' }: Deployment): boolean {
  return tls !== 'off'
}

/** Do clients need tokens? */
export function asksTokens({ access = 'none' }: Deployment): boolean {
  return access !== 'none'
}

/** The certificate that both Gateways present, and its key. */
export const certificateName = 'gateways-certificate'

/** @param files PEM */
export function certificateSecretOf(
  { namespace }: Pick<ManifestRequest, 'namespace'>,
  { cert, key }: { readonly cert: string; readonly key: string },
): KubeObject {
  return objectOf(
    'v1',
    'Secret',
    { name: certificateName, namespace, labels: labelsOf('gateways') },
    { type: 'kubernetes.io/tls', data: { 'tls.crt': base64(cert), 'tls.key': base64(key) } },
  )
}

/** The hashes of the tokens that clients have. */
export const tokensName = 'clients-tokens'
const tokensKey = 'tokens.json'
const folder = '/etc/native-access'

/** The value of a server's `access.tokens`. A volume follows its Secret, so no server has to be restarted. */
export const tokensFile = `${folder}/${tokensKey}`

/** @param text of a tokens file */
export function tokensSecretOf({ namespace }: Pick<ManifestRequest, 'namespace'>, text: string): KubeObject {
  return objectOf(
    'v1',
    'Secret',
    { name: tokensName, namespace, labels: labelsOf('clients') },
    { type: 'Opaque', data: { [tokensKey]: base64(text) } },
  )
}

/**
 * Not optional: a server without it would have nobody to admit. Readable only by the pod's group, as a server requires
 * of such a file.
 */
export const tokensVolume = { name: 'tokens', secret: { secretName: tokensName, defaultMode: 0o440 } } as const
export const tokensMount = { name: 'tokens', mountPath: folder, readOnly: true } as const

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
