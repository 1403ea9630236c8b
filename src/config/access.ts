import { isIP } from 'node:net'
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { Failure } from '../core/failure.ts'

/** A test keeps this equal to the roles of the room `access`, which is above this one. */
const role = z.enum(['reader', 'runner', 'writer', 'worker', 'admin'])
const path = z.string().min(1)
const instances = z.array(z.string().max(256)).min(1).max(64).optional()
const claim = z.union([z.string(), z.number(), z.boolean()])

/** The URL of an issuer's keys: never over a connection that others can tamper with. */
const jwks = z.string().superRefine((text, context) => {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return
  const url = URL.canParse(text) ? new URL(text) : undefined
  const own = url && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && own)) return
  context.addIssue({ code: 'custom', message: 'expected https://..., http:// of this machine, or the path of a file' })
})

const issuer = z.strictObject({
  /** As in the claim `iss`. */
  issuer: z.string().min(1),
  /** The claim `aud` has to name one of these. */
  audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  jwks,
  /** The first one whose claims all match applies. */
  grants: z
    .array(
      z.strictObject({
        when: z.record(z.string(), z.union([claim, z.array(claim).min(1)])).optional(),
        role,
        instances,
      }),
    )
    .min(1),
})

/** A name as in certificates; `*` only as the first label of a DNS name. */
const san = z
  .string()
  .max(1024)
  .refine(
    (text) =>
      isUri(text)
        ? /^[^\s*,"]+$/.test(text)
        : /^(?:[^\s*,"@]+@[^\s*,"@]+|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)$/i.test(text) && isIP(text) === 0,
    'expected a DNS name, of which the first label may be *, or a whole URI or e-mail address',
  )

function isUri(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:/i.test(text)
}

/** Who may do what with a server. */
export const accessConfig = z.strictObject({
  /** The role of callers without credentials: writer if the server listens only on loopback, otherwise none. */
  anonymous: z.enum(['none', 'reader', 'runner', 'writer']).optional(),
  /** A file with the hashes of tokens, as written by `native token`. */
  tokens: path.optional(),
  /** A file of names and passwords, and the role of those in it. */
  htpasswd: z
    .union([path, z.strictObject({ file: path, role: role.default('writer'), instances })])
    .transform((value) => (typeof value === 'string' ? { file: value, role: 'writer' as const } : value))
    .optional(),
  jwt: z.array(issuer).max(16).default([]),
  /** Roles of clients with a certificate that the server's `client_ca` accepts; the first match applies. */
  certificates: z.array(z.strictObject({ san, role, instances })).max(256).default([]),
})

/** The same in a deployment: its tokens are in the cluster's own file. */
export const teamAccess = accessConfig.omit({ tokens: true }).superRefine(({ htpasswd, jwt }, context) => {
  // A cluster's servers do not run in the command's working folder.
  const files = [htpasswd?.file, ...jwt.map((each) => each.jwks).filter((place) => !place.includes('://'))]
  for (const file of files)
    if (file !== undefined && !isAbsolute(file))
      context.addIssue({ code: 'custom', message: `"${file}" is not an absolute path, as a deployment needs it` })
})

export type AccessConfig = z.output<typeof accessConfig>

/** What a server or a deployment says about access and TLS; a single word means settings without client certificates. */
interface Asked {
  readonly access?: string | Pick<AccessConfig, 'certificates'> | undefined
  readonly tls?: string | object | undefined
}

/**
 * Roles by certificate require that clients are asked for one.
 * @throws Failure 'invalid' if they are not
 */
export function assertCertificatesAsked({ access, tls }: Asked): void {
  const roles = typeof access === 'object' ? access.certificates.length : 0
  if (roles === 0 || (typeof tls === 'object' && 'client_ca' in tls && tls.client_ca !== undefined)) return
  throw new Failure(
    'invalid',
    'clients are not asked for certificates, so a certificate can give none of them a role',
    {
      where: 'access.certificates',
      next: ['Name the authority of their certificates in tls.client_ca, or with `native deploy --tls-client-ca`.'],
    },
  )
}
