import { readFile, writeFile } from 'node:fs/promises'
import { errnoOf, Failure } from '../core/failure.ts'
import { withBlock, withoutBlock } from './bazelrc.ts'

/** Puts the cluster's block into a file, which may not be there yet; answers whether it changed. */
export async function writeBlock(file: string, cluster: string, block: string): Promise<boolean> {
  return replace(file, (text) => withBlock(text, cluster, block))
}

/** Takes the cluster's block out of a file; answers whether there was one. */
export async function removeBlock(file: string, cluster: string): Promise<boolean> {
  return replace(file, (text) => withoutBlock(text, cluster))
}

async function replace(file: string, change: (text: string) => string): Promise<boolean> {
  try {
    const before = await textOf(file)
    const after = change(before)
    if (after === before) return false
    await writeFile(file, after)
    return true
  } catch (error) {
    if (error instanceof Failure)
      throw new Failure(error.kind, error.message, { where: `${file}, ${error.where}`, next: error.next })
    if (errnoOf(error) === undefined) throw error
    throw new Failure('invalid', `the bazelrc cannot be written: ${errnoOf(error)}`, { where: file, cause: error })
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ''
    throw error
  }
}
