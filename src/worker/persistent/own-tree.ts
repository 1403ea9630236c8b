import { lstatSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../../core/failure.ts'

/** What a tool's folder held when it was made, by path: each entry's inode, mode and more. */
export type TreeState = ReadonlyMap<string, string>

/** Records the state of these paths in a folder. */
export function* stateOfTree(folder: string, paths: Iterable<string>, into: Map<string, string>): Generator<void> {
  for (const path of paths) yield void into.set(path, stateOf(join(folder, path)))
}

/** Stops at the first path that has changed. */
export function* changesOf(folder: string, before: TreeState, changed: string[]): Generator<void> {
  for (const [path, state] of before) {
    if (stateOf(join(folder, path)) !== state) changed.push(path)
    if (changed.length > 0) return
    yield
  }
}

/**
 * Distinguishes a folder from another of the same name; undefined for anything but a folder, including a symlink to
 * one.
 */
export function folderIdentity(path: string): string | undefined {
  const stats = statsOf(path)
  return stats?.isDirectory() ? `${stats.dev} ${stats.ino}` : undefined
}

function stateOf(path: string): string {
  const stats = statsOf(path)
  if (!stats) return 'nothing'
  const { dev, ino, mode, size, ctimeNs } = stats
  // Actions' files coming and going change a folder's size and times.
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
