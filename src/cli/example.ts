import { cp, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../core/failure.ts'
import { makeFolder } from '../host/folders.ts'

// npm leaves files with these names out of a package, or interprets them itself.
const dotPrefix = 'dot-'

/**
 * Writes the example workspace into a folder that is empty or does not exist yet.
 * @param template the folder of templates/example
 * @throws Failure 'exists' if the folder is not empty
 */
export async function writeExample(template: string, target: string): Promise<void> {
  makeFolder(target, 'cannot make the folder for the example')
  if ((await readdir(target)).length > 0)
    throw new Failure('exists', 'the folder for the example is not empty', {
      where: target,
      next: ['Name a folder that is empty or does not exist yet.'],
    })
  await cp(template, target, { recursive: true })
  for (const name of await readdir(target, { recursive: true }))
    if (name.startsWith(dotPrefix)) await rename(join(target, name), join(target, `.${name.slice(dotPrefix.length)}`))
}
