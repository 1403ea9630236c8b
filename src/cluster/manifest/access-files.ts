import type { AccessConfig } from '../../config/access.ts'
import type { Deployment } from '../../config/deployment.ts'

/** The files with which a deployment says who has access, as keys of one Secret. */
export const accessFilesFolder = '/etc/native-access-files'
const passwordsKey = 'htpasswd'
const issuerKey = (at: number) => `jwks-${at}.json`

/** A file of this machine, and its name in the Secret. */
export interface AccessFile {
  readonly key: string
  readonly file: string
  /** Hashes, which nobody else may read; keys of issuers are public. */
  readonly isSecret: boolean
}

/** The names of passwords and keys of issuers that the deployment is given as files. */
export function accessFilesOf({ access }: Deployment): AccessFile[] {
  if (typeof access !== 'object') return []
  const { htpasswd, jwt } = access
  return [
    ...(htpasswd ? [{ key: passwordsKey, file: htpasswd.file, isSecret: true }] : []),
    ...jwt.flatMap(({ jwks }, at) => (isUrl(jwks) ? [] : [{ key: issuerKey(at), file: jwks, isSecret: false }])),
  ]
}

/** The URLs of issuers' keys, which a pod cannot fetch. */
export function keyUrlsOf({ access }: Deployment): string[] {
  return typeof access === 'object' ? access.jwt.map(({ jwks }) => jwks).filter(isUrl) : []
}

/** The same for servers that have the Secret as a folder. */
export function withMountedFiles(access: Omit<AccessConfig, 'tokens'>): Omit<AccessConfig, 'tokens'> {
  const { htpasswd, jwt } = access
  const path = (key: string) => `${accessFilesFolder}/${key}`
  return {
    ...access,
    ...(htpasswd && { htpasswd: { ...htpasswd, file: path(passwordsKey) } }),
    jwt: jwt.map((each, at) => (isUrl(each.jwks) ? each : { ...each, jwks: path(issuerKey(at)) })),
  }
}

function isUrl(place: string): boolean {
  return place.includes('://')
}
