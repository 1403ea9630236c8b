import { cp, mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, Failure } from '../core/failure.ts'

// npm leaves files of these names out of a package, or reads them itself.
const dotPrefix = 'dot-'

/**
 * Writes the example workspace into a folder that is empty or not there yet.
 * @param template the folder of templates/example
 * @throws Failure 'exists' when something is in the folder already
 */
export async function writeExample(template: string, target: string): Promise<void> {
  if ((await namesIn(target)).length > 0)
    throw new Failure('exists', 'the folder for the example is not empty', {
      where: target,
      next: ['Name a folder that is empty or does not exist yet.'],
    })
  await mkdir(target, { recursive: true })
  await cp(template, target, { recursive: true })
  for (const name of await readdir(target, { recursive: true }))
    if (name.startsWith(dotPrefix)) await rename(join(target, name), join(target, `.${name.slice(dotPrefix.length)}`))
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    if (errnoOf(error) === 'ENOTDIR')
      throw new Failure('exists', 'the folder for the example is a file', { where: folder })
    throw error
  }
}
