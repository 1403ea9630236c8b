import type { Deployment, Settings } from '../../config/deployment.ts'
import type { Role } from '../../config/servers.ts'
import { accessFilesFolder, accessFilesOf, withMountedFiles } from './access-files.ts'
import { type KubeObject, labelsOf, objectOf } from './object.ts'
import type { ManifestRequest } from './request.ts'

/**
 * Secrets for the connection between clients and servers. Like the servers' own Secret, they are never written to a
 * file.
 */

/**
 * Where TLS ends: at the Gateways, or in the servers, which then see the certificates that clients show; `nowhere`
 * without TLS.
 */
export type TlsEnd = 'nowhere' | 'gateways' | 'servers'

export function tlsEndOf({ tls = 'off' }: Deployment): TlsEnd {
  if (tls === 'off') return 'nowhere'
  return typeof tls === 'object' && tls.client_ca !== undefined ? 'servers' : 'gateways'
}

/** Do clients use TLS? */
export function speaksTls(deployment: Deployment): boolean {
  return tlsEndOf(deployment) !== 'nowhere'
}

/** Do clients need tokens? */
export function asksTokens({ access = 'none' }: Deployment): boolean {
  return access !== 'none'
}

/** The certificate that clients get to see at both Gateways, and its key. */
export const certificateName = 'gateways-certificate'
/** Where TLS ends in the servers: whose client certificates they accept. */
export const authoritiesName = 'clients-authorities'
/** Where TLS ends in the servers: what they show each other. */
export const ownCertificateName = 'servers-certificate'
/** The hashes of the tokens that clients have. */
export const tokensName = 'clients-tokens'
/** Passwords and keys of issuers, if the deployment has files of them. */
export const accessFilesName = 'clients-access'

const certKey = 'tls.crt'
const privateKey = 'tls.key'
const ownKey = 'ca.crt'
const clientsKey = 'clients.crt'
const tokensKey = 'tokens.json'

/** PEM texts. */
export interface CertificateTexts {
  readonly cert: string
  readonly key: string
}

type Place = Pick<ManifestRequest, 'namespace'>

export function certificateSecretOf(place: Place, { cert, key }: CertificateTexts): KubeObject {
  return secretObject(place, certificateName, 'gateways', 'kubernetes.io/tls', { [certKey]: cert, [privateKey]: key })
}

/**
 * @param clients PEM of the authority that the user has named
 * @param own PEM of that of our own programs and servers
 */
export function authoritiesSecretOf(place: Place, clients: string, own: string): KubeObject {
  return secretObject(place, authoritiesName, 'clients', 'Opaque', { [clientsKey]: clients, [ownKey]: own })
}

/** @param own PEM of the authority that the servers know each other by */
export function ownCertificateSecretOf(place: Place, { cert, key }: CertificateTexts, own: string): KubeObject {
  const texts = { [certKey]: cert, [privateKey]: key, [ownKey]: own }
  return secretObject(place, ownCertificateName, 'servers', 'kubernetes.io/tls', texts)
}

/** @param text of a tokens file */
export function tokensSecretOf(place: Place, text: string): KubeObject {
  return secretObject(place, tokensName, 'clients', 'Opaque', { [tokensKey]: text })
}

/** @param texts by their keys (access-files.ts) */
export function accessFilesSecretOf(place: Place, texts: Readonly<Record<string, string>>): KubeObject {
  return secretObject(place, accessFilesName, 'clients', 'Opaque', texts)
}

function secretObject(
  { namespace }: Place,
  name: string,
  owner: string,
  type: string,
  texts: Readonly<Record<string, string>>,
): KubeObject {
  const data = Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString('base64')])
  const metadata = { name, namespace, labels: labelsOf(owner) }
  return objectOf('v1', 'Secret', metadata, { type, data: Object.fromEntries(data) })
}

const tokensFolder = '/etc/native-access'
const certificateFolder = '/etc/native-tls'
const authoritiesFolder = '/etc/native-authorities'
const ownCertificateFolder = '/etc/native-own-tls'

/** A Secret as a folder of a pod. */
export interface MountedSecret {
  readonly volume: {
    readonly name: string
    readonly secret: { readonly secretName: string; readonly defaultMode: number }
  }
  readonly mount: { readonly name: string; readonly mountPath: string; readonly readOnly: true }
}

const tokens = mounted('tokens', tokensName, tokensFolder)
const accessFiles = mounted('access-files', accessFilesName, accessFilesFolder)
const certificate = mounted('certificate', certificateName, certificateFolder)
const authorities = mounted('authorities', authoritiesName, authoritiesFolder)
const ownCertificate = mounted('own-certificate', ownCertificateName, ownCertificateFolder)

/**
 * Not optional: a server without tokens would have nobody to admit. Readable only by the pod's group, as a server
 * requires of such files. A volume follows its Secret, so no server has to be restarted.
 */
function mounted(name: string, secretName: string, mountPath: string): MountedSecret {
  return { volume: { name, secret: { secretName, defaultMode: 0o440 } }, mount: { name, mountPath, readOnly: true } }
}

/** The servers that clients call. */
const served: readonly Role[] = ['cas', 'scheduler']

/** What a server mounts for its clients, and for being one. */
export function clientSecretsOf(role: Role, deployment: Deployment): MountedSecret[] {
  const own = tlsEndOf(deployment) === 'servers'
  return [
    ...(role !== 'worker' && asksTokens(deployment) ? [tokens] : []),
    ...(role !== 'worker' && accessFilesOf(deployment).length > 0 ? [accessFiles] : []),
    ...(own && served.includes(role) ? [certificate, authorities] : []),
    ...(own && role !== 'cas' ? [ownCertificate] : []),
  ]
}

/** What the same comes to in a server's configuration. */
export function clientSettingsOf(role: Role, deployment: Deployment): Settings {
  const { access } = deployment
  const own = tlsEndOf(deployment) === 'servers'
  const inFolder = (folder: string) => ({ cert: `${folder}/${certKey}`, key: `${folder}/${privateKey}` })
  const accepted = [clientsKey, ownKey].map((name) => `${authoritiesFolder}/${name}`)
  return {
    ...(role !== 'worker' &&
      asksTokens(deployment) && {
        access: {
          anonymous: 'none',
          ...(typeof access === 'object' && withMountedFiles(access)),
          tokens: `${tokensFolder}/${tokensKey}`,
        },
      }),
    ...(own &&
      served.includes(role) && {
        tls: { ...inFolder(certificateFolder), client_ca: accepted, client_cert: 'required' },
      }),
    ...(own &&
      role !== 'cas' && {
        client_tls: { ca: `${ownCertificateFolder}/${ownKey}`, ...inFolder(ownCertificateFolder) },
      }),
  }
}
