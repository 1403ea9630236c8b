import { readFile } from 'node:fs/promises'
import { systemFailure } from '../host/system-errors.ts'
import { assertKeyFile, parsePublicKey, type TrustedKey } from './keys.ts'

/**
 * Reads a trusted public key.
 * @param name as the user wrote it
 * @param file its path
 * @param where what named it, for errors: a policy, or the name itself
 * @throws Failure 'not-found'; 'unimplemented' for a key that is not in a file; 'invalid' for anything but such a key
 */
export async function readPublicKey(name: string, file = name, where = name): Promise<TrustedKey> {
  assertKeyFile(name, where)
  try {
    return parsePublicKey(await readFile(file, 'utf8'), file)
  } catch (cause) {
    throw systemFailure(cause, { doing: `cannot read the key ${file}`, where })
  }
}
