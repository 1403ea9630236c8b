import { readFile, stat } from 'node:fs/promises'
import { Failure } from '../core/failure.ts'
import { systemFailure } from '../host/system-errors.ts'
import { trustedRootBytesMax } from './limits.ts'
import { parseRoot, type Root } from './root.ts'

/** The trusted root in a trusted_root.json. @throws Failure 'not-found', 'invalid' */
export async function rootInFile(file: string): Promise<Root> {
  return parseRoot(await readRootFile(file), file)
}

/** The text of a small file that defines what is trusted. @throws Failure 'not-found', 'invalid' */
export async function readRootFile(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > trustedRootBytesMax)
      throw new Failure('invalid', 'the file is too large for a root of trust', { where: file })
    return await readFile(file, 'utf8')
  } catch (error) {
    throw systemFailure(error, { doing: 'cannot read the root of trust', where: file })
  }
}
