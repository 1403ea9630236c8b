import { lstatSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../../core/failure.ts'

/** What a tool's folder held when it was made, by paths in there: each entry's inode, mode and more. */
export type TreeState = ReadonlyMap<string, string>

/** Writes down what these paths of a folder are. */
export function* stateOfTree(folder: string, paths: Iterable<string>, into: Map<string, string>): Generator<void> {
  for (const path of paths) yield void into.set(path, stateOf(join(folder, path)))
}

/** Stops at the first of the paths that is not what it was. */
export function* changesOf(folder: string, before: TreeState, changed: string[]): Generator<void> {
  for (const [path, state] of before) {
    if (stateOf(join(folder, path)) !== state) changed.push(path)
    if (changed.length > 0) return
    yield
  }
}

/** Tells one folder from another that has its name; undefined for what is not a folder, including a symlink to one. */
export function folderIdentity(path: string): string | undefined {
  const stats = statsOf(path)
  return stats?.isDirectory() ? `${stats.dev} ${stats.ino}` : undefined
}

function stateOf(path: string): string {
  const stats = statsOf(path)
  if (!stats) return 'nothing'
  const { dev, ino, mode, size, ctimeNs } = stats
  // What actions bring and leave changes a folder's size and times.
  if (stats.isDirectory()) return [dev, ino, mode].join(' ')
  const target = stats.isSymbolicLink() ? readlinkSync(path) : ''
  return [dev, ino, mode, size, ctimeNs, target].join(' ')
}

function statsOf(path: string) {
  try {
    return lstatSync(path, { bigint: true })
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}
