import { readFile } from 'node:fs/promises'
import { systemFailure } from '../host/system-errors.ts'
import { assertKeyFile, parsePublicKey, type TrustedKey } from './keys.ts'

/**
 * Reads a public key that somebody trusts.
 * @param name as they wrote it
 * @param file where that is
 * @param where who named it, for errors: a policy, or the name itself
 * @throws Failure 'not-found'; 'unimplemented' for a key that is in no file; 'invalid' for what is no such key
 */
export async function readPublicKey(name: string, file = name, where = name): Promise<TrustedKey> {
  assertKeyFile(name, where)
  try {
    return parsePublicKey(await readFile(file, 'utf8'), file)
  } catch (cause) {
    throw systemFailure(cause, { doing: `cannot read the key ${file}`, where })
  }
}
