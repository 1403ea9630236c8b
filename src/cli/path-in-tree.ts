import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { errnoOf } from '../core/failure.ts'

/**
 * Bazel's bazel-bin is a link to where an action created the file; the servers know the path within that tree. The file
 * itself need not be there: Bazel leaves most outputs in the cache.
 * @param folder where `what` is looked up
 * @returns `what` itself if it is no such path
 */
export async function pathInTree(what: string, folder: string): Promise<string> {
  if (what.startsWith('//')) return what
  const real = await realOrAbove(resolve(folder, what))
  return /\/execroot\/[^/]+\/(.+)$/.exec(real)?.[1] ?? what
}

/** The real path of the nearest folder above that exists, and the rest of the path. */
async function realOrAbove(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    // It may not be a path at all.
    if (errnoOf(error) === undefined) throw error
    return dirname(path) === path ? path : join(await realOrAbove(dirname(path)), basename(path))
  }
}
