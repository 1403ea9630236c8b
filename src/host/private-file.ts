import { open } from 'node:fs/promises'
import { errnoOf, Failure } from '../core/failure.ts'
import { systemFailure } from './system-errors.ts'

const anybody = 0o007

/**
 * The text of a file that must not be readable by everybody; undefined if there is none.
 * @param what it is, for errors: `the tokens file`
 * @throws Failure 'denied' if every account can read it, 'invalid' if it is too large
 */
export async function readPrivate(path: string, what: string, bytesMax: number): Promise<string | undefined> {
  try {
    const file = await open(path, 'r')
    try {
      const { mode, size } = await file.stat()
      if ((mode & anybody) !== 0)
        throw new Failure('denied', `every account of this machine can read ${what}`, {
          where: path,
          next: [`Run "chmod 600 ${path}", and replace what is in it if others use this machine.`],
        })
      if (size > bytesMax) throw new Failure('invalid', `${what} is larger than ${bytesMax} bytes`, { where: path })
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw systemFailure(error, { doing: `cannot read ${what}`, where: path })
  }
}

/**
 * The same of a file that holds JSON.
 * @param next what to do about a damaged one
 * @throws Failure 'corrupt' if it is not JSON; as readPrivate
 */
export async function readPrivateJson(
  path: string,
  what: string,
  bytesMax: number,
  next: readonly string[],
): Promise<unknown> {
  const text = await readPrivate(path, what, bytesMax)
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch (cause) {
    throw new Failure('corrupt', `${what} is damaged: it is not JSON`, { where: path, next, cause })
  }
}
