import { readIfThere, writeWhole } from '../../host/files.ts'
import { isSecretText, newSecretText } from '../shared/secret-text.ts'
import type { ClusterPaths } from './paths.ts'

/**
 * The secret of the cluster's servers, created at the first deployment and kept until `down`. Servers get it by the
 * file's name in their configurations: never by arguments or environment, which others can see, nor by a descriptor,
 * which an action could inherit.
 */
export async function ensureSecret({ secret }: Pick<ClusterPaths, 'secret'>): Promise<string> {
  const known = (await readIfThere(secret))?.trim()
  if (known && isSecretText(known)) return known
  const fresh = newSecretText()
  await writeWhole(secret, `${fresh}\n`)
  return fresh
}
