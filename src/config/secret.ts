import { readFile, stat } from 'node:fs/promises'
import { Failure } from '../core/failure.ts'
import { createSecret, type Secret } from '../core/secret.ts'
import { systemFailure } from '../host/system-errors.ts'

/** 128 bits in base64. */
const lengthMin = 22
const bytesMax = 4096
const anybody = 0o007

/**
 * Reads the file that a server's `secret` names. White space around the secret is ignored.
 * @throws Failure 'not-found' if there is no such file, 'denied' if everybody may read it, 'invalid' if it is too short
 *   to be a secret; none of them reveals its content
 */
export async function loadSecret(file: string): Promise<Secret> {
  try {
    const { mode, size } = await stat(file)
    if ((mode & anybody) !== 0)
      throw new Failure('denied', 'everyone on this machine can read the secret', {
        where: file,
        next: [`Run "chmod 600 ${file}", and replace the secret if others use this machine.`],
      })
    const text = size > bytesMax ? '' : (await readFile(file, 'utf8')).trim()
    if (text.length < lengthMin)
      throw new Failure(
        'invalid',
        `a secret must have at least ${lengthMin} characters and at most ${bytesMax} bytes`,
        {
          where: file,
          next: ['"openssl rand -base64 32" generates one.'],
        },
      )
    return createSecret(Buffer.from(text))
  } catch (error) {
    throw systemFailure(error, { doing: 'cannot read the secret', where: file })
  }
}
