import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { checkName } from '../core/directory.ts'
import { errnoOf, Failure } from '../core/failure.ts'

/** Longest path that Linux and macOS accept in one call, in UTF-16 units; checked before it is split. */
const pathLengthMax = 4096

/**
 * The segments of a relative path in the API's form: `/` between segments, no `.` or `..`, no leading or trailing
 * slash. The empty path has none.
 * @param what the field that contains it, for the error
 * @throws Failure 'invalid'
 */
export function pathSegments(path: string, what: string): string[] {
  if (path === '') return []
  if (path.length > pathLengthMax)
    throw new Failure('invalid', `${what}: a path is longer than ${pathLengthMax} characters`)
  if (path.startsWith('/'))
    throw new Failure('invalid', `${what}: the path must be relative`, { where: path.slice(0, 200) })
  const segments = path.split('/')
  for (const segment of segments) checkName(segment, `${what}: ${path.slice(0, 200)}`)
  return segments
}

/**
 * Checks that the place of these segments is really inside the folder: everything on the way is a folder, not a
 * symlink. The last segment is not checked. What does not exist yet counts as inside.
 * @throws Failure 'precondition' naming the segment that leads out or is not a folder
 */
export function assertInside(folder: string, segments: readonly string[]): void {
  let at = folder
  for (const segment of segments.slice(0, -1)) {
    at = join(at, segment)
    const kind = kindAt(at)
    if (kind === 'absent') return
    if (kind !== 'directory')
      throw new Failure('precondition', `a folder on the way to ${JSON.stringify(segments.join('/'))} is a ${kind}`, {
        where: at,
      })
  }
}

export type EntryKind = 'absent' | 'directory' | 'file' | 'symlink' | 'special file'

/** What is at a path; symlinks are not followed. */
export function kindAt(path: string): EntryKind {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (!stats) return 'absent'
    if (stats.isDirectory()) return 'directory'
    if (stats.isFile()) return 'file'
    return stats.isSymbolicLink() ? 'symlink' : 'special file'
  } catch (error) {
    // An earlier segment is not a folder.
    if (errnoOf(error) === 'ENOTDIR') return 'absent'
    throw error
  }
}
