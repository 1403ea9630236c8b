import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  type Stats,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { errnoOf, Failure } from '../../core/failure.ts'

/** The most symlinks that Linux follows for one path. */
const linksMax = 40
/**
 * Limits what a slot's shell is given as one argument, of which Linux takes 128 KiB: each entry is a mount or a symlink
 * in every slot.
 */
const topEntriesMax = 256
const topBytesMax = 64 * 1024
const hosts = '127.0.0.1 localhost native\n::1 localhost native\n'

/**
 * Prepares an image's tree to be the root of a sandbox: mount points that a container engine would provide exist, and
 * no preload list makes every program load a library, since the programs that start actions have more rights than
 * actions do.
 * @throws Failure 'precondition' for one with more top-level entries than a slot can be given
 */
export function furnishTree(tree: string): void {
  const etc = folder(tree, 'etc')
  rmSync(join(etc, 'ld.so.preload'), { recursive: true, force: true })
  for (const [name, text] of Object.entries({ hosts, 'resolv.conf': '' })) {
    rmSync(join(etc, name), { recursive: true, force: true })
    writeFileSync(join(etc, name), text)
  }
  const temporary = join(folder(tree, 'var'), 'tmp')
  rmSync(temporary, { recursive: true, force: true })
  symlinkSync('/tmp', temporary)
  assertTopFits(tree)
}

function assertTopFits(tree: string): void {
  const names = readdirSync(tree)
  const few = names.slice(0, topEntriesMax)
  const texts = few.flatMap((name) => {
    const path = join(tree, name)
    return lstatSync(path).isSymbolicLink() ? [name, readlinkSync(path)] : [name]
  })
  // A quote inside shell quotes takes four characters.
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text.replaceAll("'", "''''")), 0)
  if (few.length === names.length && bytes <= topBytesMax) return
  throw new Failure(
    'precondition',
    `it has more at its top than a sandbox can show: ${names.length} entries; at most ${topEntriesMax} are allowed, and their names may take ${topBytesMax} bytes in all`,
    { next: ['Put them into a folder of the image.'] },
  )
}

/** System errors for a path that leads nowhere, including one that is too long. */
const nowhere: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'EACCES'])
const pathBytesMax = 4095

/** Makes sure that this is a real folder of the tree, whatever the image has by that name. */
function folder(tree: string, name: string): string {
  const path = join(tree, name)
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats?.isDirectory()) {
    rmSync(path, { force: true })
    mkdirSync(path)
  }
  return path
}

/**
 * Where a path seen by an action is on this machine, with symlinks followed within the tree.
 * @param path absolute
 * @returns undefined if the tree has nothing there
 * @throws a system error that says nothing about the path
 */
export function pathInTree(tree: string, path: string): string | undefined {
  if (Buffer.byteLength(path) > pathBytesMax) return undefined
  const ahead = segmentsOf(path)
  const behind: string[] = []
  let links = 0
  for (let segment = ahead.shift(); segment !== undefined; segment = ahead.shift()) {
    if (segment === '..') {
      behind.pop()
      continue
    }
    const at = join(tree, ...behind, segment)
    const stats = statsOf(at)
    if (!stats) return undefined
    if (!stats.isSymbolicLink()) {
      if (ahead.length > 0 && !stats.isDirectory()) return undefined
      behind.push(segment)
      continue
    }
    links += 1
    if (links > linksMax) return undefined
    const target = readlinkSync(at)
    if (target.startsWith('/')) behind.length = 0
    ahead.unshift(...segmentsOf(target))
  }
  const found = join(tree, ...behind)
  return existsSync(found) ? found : undefined
}

function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch (error) {
    if (!nowhere.has(errnoOf(error) ?? '')) throw error
    return undefined
  }
}

function segmentsOf(path: string): string[] {
  return path.split('/').filter((each) => each !== '' && each !== '.')
}
