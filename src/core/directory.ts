import { Failure } from './failure.ts'

/** The part of a FileNode or DirectoryNode that the canonical form constrains. */
interface NamedNode {
  readonly name?: string | null
}

/** The same of a SymlinkNode. */
interface LinkNode extends NamedNode {
  readonly target?: string | null
}

/** A Directory message's structure; digests are checked elsewhere. */
export interface DirectoryShape {
  readonly files?: readonly NamedNode[] | null
  readonly directories?: readonly NamedNode[] | null
  readonly symlinks?: readonly LinkNode[] | null
}

/** The longest name that file systems allow (NAME_MAX of Linux and macOS), in bytes of UTF-8. */
export const nameBytesMax = 255

const nul = '\0'
const encoder = new TextEncoder()

/**
 * Checks the name of a directory entry: a single path segment.
 * @param name as in the message
 * @param where its directory, for the error
 * @throws Failure 'invalid' if it is empty, `.`, `..`, too long, or contains `/` or NUL
 */
export function checkName(name: string, where?: string): void {
  const problem = nameProblem(name)
  if (problem) throw new Failure('invalid', `the name ${quoted(name)} ${problem}`, where === undefined ? {} : { where })
}

/**
 * Checks that a Directory is in canonical form (remote_execution.proto, Directory): every name is a single segment,
 * each of the three lists is sorted by name, and no name occurs twice, within a list or across them. A symlink's target
 * only has to be a path; whether it may be absolute depends on the server's SymlinkAbsolutePathStrategy.
 * @param where what the error calls the directory: its digest or its path
 * @throws Failure 'invalid' that names the entry
 */
export function checkDirectory(directory: DirectoryShape, where?: string): void {
  const files = directory.files ?? []
  const directories = directory.directories ?? []
  const symlinks = directory.symlinks ?? []
  checkList('files', files, where)
  checkList('directories', directories, where)
  checkList('symlinks', symlinks, where)
  checkUniqueAcross(files, directories, symlinks, where)
  for (const link of symlinks) checkTarget(link, where)
}

/**
 * Orders names as the canonical form does: by their UTF-8 bytes. JavaScript's own order differs if one of the names has
 * a character beyond U+FFFF.
 */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i += 1) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return codePointRank(x) - codePointRank(y)
  }
  return a.length - b.length
}

/** Sorts surrogates, which stand for U+10000 and beyond, after all other 16-bit units. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (name === '.' || name === '..') return 'is not the name of an entry'
  if (name.includes('/')) return 'has more than one path segment'
  if (name.includes(nul)) return 'contains a NUL character'
  if (tooLong(name)) return `is longer than ${nameBytesMax} bytes`
  return undefined
}

/** A UTF-16 unit becomes at most three bytes, so most names need not be encoded. */
function tooLong(name: string): boolean {
  if (name.length * 3 <= nameBytesMax) return false
  return name.length > nameBytesMax || encoder.encode(name).byteLength > nameBytesMax
}

function checkList(list: string, nodes: readonly NamedNode[], where: string | undefined): void {
  let before: string | undefined
  for (const node of nodes) {
    const name = node.name ?? ''
    checkName(name, where)
    const order = before === undefined ? -1 : compareNames(before, name)
    if (order === 0) throw broken(`the name ${quoted(name)} occurs twice in ${list}`, where)
    if (order > 0)
      throw broken(`${list} are not sorted by name: ${quoted(name)} comes after ${quoted(before ?? '')}`, where)
    before = name
  }
}

function checkUniqueAcross(
  files: readonly NamedNode[],
  directories: readonly NamedNode[],
  symlinks: readonly NamedNode[],
  where: string | undefined,
): void {
  const lists = [files, directories, symlinks].filter((list) => list.length > 0)
  if (lists.length < 2) return
  const seen = new Set<string>()
  for (const list of lists)
    for (const node of list) {
      const name = node.name ?? ''
      if (seen.has(name)) throw broken(`the name ${quoted(name)} occurs twice`, where)
      seen.add(name)
    }
}

function checkTarget(link: LinkNode, where: string | undefined): void {
  const target = link.target ?? ''
  if (target === '') throw broken(`the symlink ${quoted(link.name ?? '')} has no target`, where)
  if (target.includes(nul))
    throw broken(`the target of the symlink ${quoted(link.name ?? '')} contains a NUL character`, where)
}

function broken(message: string, where: string | undefined): Failure {
  return new Failure('invalid', message, where === undefined ? {} : { where })
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}...` : name)
}
