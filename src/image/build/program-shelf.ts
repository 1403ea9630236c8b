import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { entersProgram, programPaths } from '../tag.ts'
import type { SourceTree } from '../tree/tree.ts'
import type { BuiltProgram } from './program.ts'

/** Programs that were built, for as long as several images are built from the same sources. */
export interface ProgramShelf {
  /**
   * The program of these sources, built unless it was before.
   * @param build is given an empty folder, which stays until close
   */
  take(tree: SourceTree, build: (folder: string) => Promise<BuiltProgram>): Promise<BuiltProgram>
  /** Removes them; what was built from them must have been copied by then. */
  close(): Promise<void>
}

/** @param temporary a folder for temporary ones */
export function programShelf(temporary: string): ProgramShelf {
  const programs = new Map<string, Promise<BuiltProgram>>()
  const folders: string[] = []

  async function built(build: (folder: string) => Promise<BuiltProgram>): Promise<BuiltProgram> {
    const folder = await mkdtemp(join(temporary, 'native-program-'))
    folders.push(folder)
    return build(folder)
  }

  return {
    async take(tree, build) {
      const key = await keyOf(tree)
      const found = programs.get(key) ?? built(build)
      programs.set(key, found)
      // One that failed is tried again by the next.
      found.catch(() => programs.delete(key))
      return found
    },
    async close() {
      programs.clear()
      for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The program follows from these files alone (tag.ts). */
async function keyOf(tree: SourceTree): Promise<string> {
  const files = (await tree.files(programPaths)).filter(({ path }) => entersProgram(path))
  const text = JSON.stringify(files.map(({ mode, path, id }) => [mode, path, id]))
  return createHash('sha256').update(text).digest('hex')
}
