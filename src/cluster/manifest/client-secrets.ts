import type { Deployment } from '../../config/deployment.ts'
import { type KubeObject, labelsOf, objectOf } from './object.ts'
import type { ManifestRequest } from './request.ts'

/** What stands between clients and servers, as Secrets. Like that of the servers, they are never written into a file. */

/** Do the Gateways speak TLS? */
export function speaksTls({ tls = 'off' }: Deployment): boolean {
  return tls !== 'off'
}

/** Do clients need tokens? */
export function asksTokens({ access = 'none' }: Deployment): boolean {
  return access !== 'none'
}

/** The certificate that both Gateways show, and its key. */
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

/** What a server's `access.tokens` names. A volume of a Secret follows the Secret, so that no server is started anew. */
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

/** Not optional: a server without it would have nobody to admit. Read by the pod's group alone, as a server asks of such a file. */
export const tokensVolume = { name: 'tokens', secret: { secretName: tokensName, defaultMode: 0o440 } } as const
export const tokensMount = { name: 'tokens', mountPath: folder, readOnly: true } as const

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
