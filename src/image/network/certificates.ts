import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { getCACertificates } from 'node:tls'
import { errnoOf, Failure } from '../../core/failure.ts'
import { ifThere } from '../../host/files.ts'
import { smallFile } from '../media/files.ts'

/** A process's environment variables. */
type Environment = Readonly<Record<string, string | undefined>>

const fileBytesMax = 4 * 1024 * 1024
const filesMax = 1024

/**
 * The extra certificate authorities for a registry: those in its certs.d folder (containers-certs.d(5), docker's
 * "verify repository client") and in SSL_CERT_FILE and SSL_CERT_DIR, with those that Node trusts, including
 * NODE_EXTRA_CA_CERTS and --use-system-ca; undefined if there are no extra ones.
 */
export async function trustedCertificates(
  registry: string,
  { home, env }: { readonly home: string; readonly env: Environment },
): Promise<string | undefined> {
  const folders = [join(home, '.config/containers/certs.d'), '/etc/containers/certs.d', '/etc/docker/certs.d']
  const found: string[] = []
  for (const folder of folders) {
    const own = join(folder, registry)
    const names = await filesIn(own)
    for (const name of names.filter((each) => each.endsWith('.crt')))
      found.push(Buffer.from(await smallFile(join(own, name), fileBytesMax, 'a certificate')).toString('latin1'))
  }
  found.push(...(await namedCertificates(env)))
  return found.length === 0 ? undefined : [...found, ...getCACertificates('default')].join('\n')
}

/**
 * The authorities in SSL_CERT_FILE and SSL_CERT_DIR, as PEM, without duplicates. As in Go programs, unreadable files
 * and anything that is not a certificate are ignored: such a variable is often left over from another machine.
 */
export async function namedCertificates(env: Environment): Promise<string[]> {
  const files = env['SSL_CERT_FILE'] ? [env['SSL_CERT_FILE']] : []
  for (const folder of (env['SSL_CERT_DIR'] ?? '').split(':').filter((each) => each !== ''))
    files.push(...(await filesIn(folder)).map((each) => join(folder, each)))
  const found = new Set<string>()
  for (const file of files) {
    const text = await smallFile(file, fileBytesMax, 'a certificate').catch(noneIfUnreadable)
    const blocks = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g
    for (const [block] of Buffer.from(text).toString('latin1').matchAll(blocks)) found.add(block)
  }
  return [...found]
}

/**
 * The operating system's authorities, as PEM. Reading and parsing them takes a third of a second, so it is done only
 * when a certificate is not trusted otherwise.
 */
export function systemCertificates(): readonly string[] {
  return getCACertificates('system')
}

async function filesIn(folder: string): Promise<string[]> {
  const names = (await ifThere(readdir(folder), 'ENOTDIR', 'EACCES')) ?? []
  return names.sort().slice(0, filesMax)
}

function noneIfUnreadable(error: unknown): Uint8Array {
  if (error instanceof Failure || errnoOf(error) !== undefined) return new Uint8Array(0)
  throw error
}
