import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'
import { readIfThere, writeWhole } from '../../host/files.ts'
import { makeFolder } from '../../host/folders.ts'
import { withLock } from '../../host/process-lock.ts'
import type { AuthorityFiles } from './authority.ts'
import { loadIdentity } from './identity.ts'
import { certificatesIn } from './pem.ts'

const days = { server: 90, client: 90 } as const
/** A certificate that expires sooner than this is renewed. */
const renewMsMin = 30 * 86_400_000
/** The same for the authority, whose successor has to be given to every client. */
const authorityMsMin = 90 * 86_400_000

/** The files of our own authority and of what it has issued, all in one folder and all 0600. */
export interface OwnCertificates {
  /** What clients trust. */
  readonly ca: string
  /** Followed by the authority's certificate: whoever knows its fingerprint can take it from a handshake. */
  readonly server: AuthorityFiles
  /** What this user's own programs and servers present where client certificates are required. */
  readonly client: AuthorityFiles
}

/** Where the files are. */
export function ownCertificates(folder: string): OwnCertificates {
  const path = (name: string) => join(folder, name)
  return {
    ca: path('ca.pem'),
    server: { cert: path('server.pem'), key: path('server.key') },
    client: { cert: path('client.pem'), key: path('client.key') },
  }
}

/**
 * Creates what is missing, damaged, about to expire, or for other hosts, and keeps the rest. Several processes may call
 * it at once.
 * @param listening hosts that servers listen on; `0.0.0.0` and `::` mean all addresses of this machine
 * @returns what was created: files, for people
 * @throws Failure of the system if a file cannot be read or written
 */
export async function ensureOwnCertificates(folder: string, listening: readonly string[]): Promise<string[]> {
  makeFolder(folder, 'cannot make the folder of the certificates', 0o700)
  return withLock(join(folder, '.lock'), { clock: systemClock }, () => ensure(folder, hostsOf(listening)))
}

async function ensure(folder: string, hosts: readonly string[]): Promise<string[]> {
  const { ca, server, client } = ownCertificates(folder)
  const caFiles = { cert: ca, key: join(folder, 'ca.key') }
  const made: string[] = []
  let authority = await usable(caFiles, authorityMsMin)
  if (!authority) {
    const { makeAuthority } = await import('./authority.ts')
    // A unique name: otherwise a later authority would be taken for the earlier one.
    authority = await makeAuthority(`native on ${hostname()}, ${crypto.randomUUID().slice(0, 8)}`)
    await write(caFiles, authority)
    made.push(ca)
  }
  for (const [use, files] of [['server', server] as const, ['client', client] as const]) {
    const wanted = use === 'server' ? hosts : []
    if (await usable(files, renewMsMin, authority, wanted, use === 'server')) continue
    const { issue } = await import('./authority.ts')
    const commonName = use === 'server' ? hostname() : `native on ${hostname()}`
    const own = await issue(authority, { hosts: wanted, commonName, use, days: days[use] })
    await write(files, use === 'server' ? { ...own, cert: own.cert + authority.cert } : own)
    made.push(files.cert)
  }
  return made
}

/**
 * The texts of a certificate and its key; undefined if they have to be created.
 * @param chained the authority's certificate has to follow it
 */
async function usable(
  files: AuthorityFiles,
  msMin: number,
  issuer?: AuthorityFiles,
  hosts: readonly string[] = [],
  chained = false,
): Promise<AuthorityFiles | undefined> {
  if ((await readIfThere(files.cert)) === undefined || (await readIfThere(files.key)) === undefined) return undefined
  try {
    const { cert, key } = await loadIdentity(files)
    const own = new X509Certificate(cert)
    const now = Date.now()
    if (own.validFromDate.getTime() > now || own.validToDate.getTime() - now < msMin) return undefined
    if (issuer && !own.verify(new X509Certificate(issuer.cert).publicKey)) return undefined
    if (chained && certificatesIn(cert, files.cert, 'the certificate').length < 2) return undefined
    return hosts.every((host) => isFor(own, host)) ? { cert, key } : undefined
  } catch (error) {
    // Damaged, or only half of the pair was written: it is created again.
    if (error instanceof Failure && error.kind === 'invalid') return undefined
    throw error
  }
}

function isFor(certificate: X509Certificate, host: string): boolean {
  return (isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host)) !== undefined
}

/** The key first: a certificate without its key would be replaced by the next process that looks. */
async function write(files: AuthorityFiles, texts: AuthorityFiles): Promise<void> {
  await writeWhole(files.key, texts.key)
  await writeWhole(files.cert, texts.cert)
}

const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** The names and addresses of this machine for servers that listen on these hosts. */
export function hostsOf(listening: readonly string[]): string[] {
  const named = listening.filter((host) => !wildcards.has(host))
  const open = listening.some((host) => wildcards.has(host))
  const all = open ? Object.values(networkInterfaces()).flatMap((each) => each ?? []) : []
  // Link-local addresses are written with an interface name, which no certificate contains.
  const own = all
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .map(({ address }) => address)
  return [...new Set(['localhost', '127.0.0.1', '::1', hostname(), ...named, ...own])]
}
