import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { rename, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Digest, digestText } from '../core/digest.ts'
import { errnoOf, Failure, messageOf } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { smallBlobBytesMax } from '../core/limits.ts'
import type { re } from '../wire/proto.ts'
import type { CasClient } from './cas.ts'
import { forEachLimited } from './parallel.ts'
import { assertInside, kindAt } from './paths.ts'
import { type PlannedFile, planOutputs } from './plan.ts'

const filesAtOnce = 8
/** Small files are fetched in groups of so many bytes, which then stand in memory. */
const groupBytes = 16 * 1024 * 1024

export interface Materialised {
  readonly files: number
  readonly directories: number
  readonly symlinks: number
  readonly bytes: number
}

/**
 * Writes what an action made into a folder: output files, output directories (from their
 * Trees, or from their root directory's digest) and symlinks. What stood in a file's place is
 * replaced. Nothing is written outside the folder, whatever the result says: every path is
 * checked, and no symlink is followed on the way to it. Symlinks are made last, with their
 * targets as given.
 * @throws Failure 'invalid' for a path that leads out, 'precondition' for a symlink or file in
 *   the place of a folder, 'not-found' or 'corrupt' for blobs
 */
export async function materialiseOutputs(
  cas: CasClient,
  result: re.ActionResult.$Properties,
  folder: string,
  signal?: AbortSignal,
): Promise<Materialised> {
  const plan = await planOutputs(cas, result, signal)
  for (const segments of plan.directories) makeDirectory(folder, segments)
  const { small, large } = grouped(plan.files)
  for (const file of plan.files) makeDirectory(folder, file.segments.slice(0, -1))
  for (const group of small) {
    await writeGroup(cas, folder, group, signal)
  }
  await forEachLimited(large, filesAtOnce, (file) =>
    replace(folder, file.segments, (temporary) => cas.downloadFile(file.digest, temporary, modeOf(file), signal)),
  )
  for (const link of plan.symlinks) {
    makeDirectory(folder, link.segments.slice(0, -1))
    await replace(folder, link.segments, (temporary) => symlink(link.target, temporary))
  }
  return {
    files: plan.files.length,
    directories: plan.directories.length,
    symlinks: plan.symlinks.length,
    bytes: plan.files.reduce((sum, file) => sum + file.digest.size, 0),
  }
}

function grouped(files: readonly PlannedFile[]): { small: PlannedFile[][]; large: PlannedFile[] } {
  const small: PlannedFile[][] = []
  const large: PlannedFile[] = []
  let room = 0
  for (const file of files) {
    const cost = file.digest.size + 256
    const last = small.at(-1)
    if (file.digest.size > smallBlobBytesMax) large.push(file)
    else if (!last || cost > room) {
      small.push([file])
      room = groupBytes - cost
    } else {
      last.push(file)
      room -= cost
    }
  }
  return { small, large }
}

async function writeGroup(
  cas: CasClient,
  folder: string,
  group: readonly PlannedFile[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const wanted = group.filter((file) => !holds(file)).map((file) => file.digest)
  const blobs = await cas.readBlobs(wanted, signal)
  await forEachLimited(group, filesAtOnce, async (file) => {
    const bytes = holds(file) ? file.contents : blobs.get(digestText(file.digest))
    if (!bytes) throw absentOutput(file.digest, file.segments)
    await replace(folder, file.segments, (temporary) => writeFile(temporary, bytes, { flag: 'wx', mode: modeOf(file) }))
  })
}

/** Are the contents that came with the result really the file's? */
function holds(file: PlannedFile): boolean {
  const { contents, digest } = file
  if (contents.byteLength !== digest.size) return false
  return digest.size === 0 || digestOf(digest.fn, contents).hash === digest.hash
}

function absentOutput(digest: Digest, segments: readonly string[]): Failure {
  return new Failure('not-found', `the server no longer has the output ${segments.join('/')}`, {
    where: digestText(digest),
    next: ['Run the action again without the cache.'],
  })
}

function modeOf(file: PlannedFile): number {
  return file.executable ? 0o777 : 0o666
}

/** Makes a folder and those above it, inside the target only. */
function makeDirectory(folder: string, segments: readonly string[]): void {
  assertInside(folder, [...segments, ''])
  mkdirSync(join(folder, ...segments), { recursive: true })
}

/** Makes the entry under another name and moves it to its place, so that it is never half there. */
async function replace(
  folder: string,
  segments: readonly string[],
  make: (temporary: string) => Promise<void>,
): Promise<void> {
  const path = join(folder, ...segments)
  assertInside(folder, segments)
  if (kindAt(path) === 'directory')
    throw new Failure('exists', 'a folder stands where an output has to go', { where: path })
  const temporary = join(dirname(path), `.native-${randomUUID()}`)
  try {
    await make(temporary)
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(ignoreAbsent)
    if (error instanceof Failure || errnoOf(error) === undefined) throw error
    throw new Failure('precondition', `writing an output: ${messageOf(error)}`, { where: path, cause: error })
  }
}

function ignoreAbsent(error: unknown): void {
  if (errnoOf(error) !== 'ENOENT') throw error
}
