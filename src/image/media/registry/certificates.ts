import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { getCACertificates } from 'node:tls'
import { errnoOf } from '../../../core/failure.ts'
import { smallFile } from '../files.ts'

const fileBytesMax = 4 * 1024 * 1024
const filesMax = 64

/**
 * The authorities that are trusted for one registry: those of its folder in certs.d
 * (containers-certs.d(5), docker's "verify repository client") beside those that Node trusts, with
 * NODE_EXTRA_CA_CERTS and --use-system-ca; undefined when it has none of its own.
 */
export async function trustedCertificates(registry: string, home: string): Promise<string | undefined> {
  const folders = [join(home, '.config/containers/certs.d'), '/etc/containers/certs.d', '/etc/docker/certs.d']
  const found: string[] = []
  for (const folder of folders) {
    const own = join(folder, registry)
    const names = await readdir(own).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'EACCES') return []
      throw error
    })
    for (const name of names.filter((each) => each.endsWith('.crt')).slice(0, filesMax))
      found.push(Buffer.from(await smallFile(join(own, name), fileBytesMax, 'a certificate')).toString('latin1'))
  }
  return found.length === 0 ? undefined : [...found, ...getCACertificates('default')].join('\n')
}
