import { lstatSync, mkdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { hostile, short } from '../../archive/tar-extension.ts'
import { type Room, takeName, takeRoom } from './room.ts'

/** As many symlinks as Linux follows in one path. */
const linksMax = 40
/** Maximum length of a path: no system that we know accepts longer ones. */
const pathLengthMax = 4096
/** Nested folders: each level is checked again for every entry in it. */
const depthMax = 128
/** Segments of one path and of all symlinks on it. */
const stepsMax = 1024

/** The segments of an entry's name, which is relative to the image's root however it is written. */
export function segmentsOf(name: string, where: string): string[] {
  const segments = name.split('/').filter((each) => each !== '' && each !== '.')
  if (name.length > pathLengthMax || name.includes('\0') || segments.includes('..'))
    throw hostile(`has an impossible path: "${short(name)}"`, where)
  assertDepth(segments.length, name, where)
  return segments
}

/**
 * The folder that a path means to a program whose root is the tree: symlinks lead to places in the tree, and nowhere
 * else. Missing folders are created.
 * @param room reduced by what is created
 * @returns its path on this machine, free of symlinks
 * @throws Failure 'invalid' for a path that leads through a file, in circles or too deep; 'exhausted'
 */
export function folderIn(tree: string, segments: readonly string[], room: Room, where: string): string {
  const ahead = [...segments]
  const behind: string[] = []
  let links = 0
  let steps = 0
  for (let segment = ahead.shift(); segment !== undefined; segment = ahead.shift()) {
    steps += 1
    if (steps > stepsMax) throw hostile(`has a path of too many folders: "${short(segments.join('/'))}"`, where)
    if (segment === '..') {
      behind.pop()
      continue
    }
    const path = join(tree, ...behind, segment)
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (stats?.isSymbolicLink()) {
      links += 1
      const target = readlinkSync(path)
      if (links > linksMax) throw hostile(`has symlinks without an end: "${short(segments.join('/'))}"`, where)
      if (target.startsWith('/')) behind.length = 0
      ahead.unshift(...target.split('/').filter((each) => each !== '' && each !== '.'))
      continue
    }
    if (!stats) {
      assertDepth(behind.length + 1, segments.join('/'), where)
      takeName(room, segment.length, where)
      takeRoom(room, 0, where)
      mkdirSync(path, { mode: 0o755 })
    } else if (!stats.isDirectory()) throw hostile(`has a path through a file: "${short(segments.join('/'))}"`, where)
    behind.push(segment)
  }
  return join(tree, ...behind)
}

/** @throws Failure 'invalid' */
function assertDepth(depth: number, name: string, where: string): void {
  if (depth > depthMax) throw hostile(`has more than ${depthMax} folders in one another: "${short(name)}"`, where)
}
