import { symlink, writeFile } from 'node:fs/promises'
import { type Digest, digestText } from '../core/digest.ts'
import { groups } from '../core/digest-groups.ts'
import { Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { smallBlobBytesMax } from '../core/limits.ts'
import type { re } from '../wire/proto.ts'
import type { CasClient } from './cas.ts'
import { forEachLimited } from './parallel.ts'
import { type Entry, placeEntries } from './place.ts'
import { askedOutputs, type OutputPlan, type PlannedFile, planOutputs } from './plan.ts'

const filesAtOnce = 8
/** Small files are fetched in groups of this size, which are held in memory. */
const groupBytes = 16 * 1024 * 1024
/** Memory of a file in a group beside its content, approximately. */
const fileOverheadBytes = 256

export interface MaterialiseOptions {
  /** The requested paths; other outputs of the result are not written. */
  readonly asked: readonly string[]
  /**
   * May the file or symlink at this absolute path be replaced by an output? One that already has the output's content
   * always may; by default nothing else.
   */
  readonly mayReplace?: (path: string) => boolean
  /** Hears of bytes as they arrive. */
  readonly onBytes?: (bytes: number) => void
  /** Hears the total bytes of files that will be written. */
  readonly onPlanned?: (bytes: number) => void
  readonly signal?: AbortSignal
}

export interface Materialised {
  readonly files: number
  readonly directories: number
  readonly symlinks: number
  readonly bytes: number
  /** Files and symlinks, relative to the folder. */
  readonly paths: readonly string[]
}

/**
 * Writes the requested outputs into a folder: files, directories (from their Trees, or from their root directory's
 * digest) and symlinks. It is all or nothing: everything is fetched into a staging folder first, then moved. Nothing is
 * written outside the folder, whatever the result says: every path is checked, and no symlink on the way is followed.
 * Symlinks are made last, with their targets as given.
 * @throws Failure 'invalid' for a path that leads out, 'precondition' for a symlink or file where a folder should be,
 *   'exists' for what may not be replaced, 'not-found' or 'corrupt' for blobs
 */
export async function materialiseOutputs(
  cas: CasClient,
  result: re.ActionResult.$Properties,
  folder: string,
  options: MaterialiseOptions,
): Promise<Materialised> {
  const { signal, mayReplace = () => false } = options
  const plan = await planOutputs(cas, askedOutputs(result, options.asked), signal)
  const bytes = plan.files.reduce((sum, file) => sum + file.digest.size, 0)
  options.onPlanned?.(bytes)
  const entries: Entry[] = [
    ...plan.files.map(({ segments, digest }) => ({ segments, digest })),
    ...plan.symlinks.map(({ segments }) => ({ segments, digest: undefined })),
  ]
  if (entries.length + plan.directories.length > 0)
    await placeEntries({ folder, entries, directories: plan.directories, mayReplace }, (places) =>
      fetchAll(cas, plan, places, options),
    )
  return {
    files: plan.files.length,
    directories: plan.directories.length,
    symlinks: plan.symlinks.length,
    bytes,
    paths: entries.map(({ segments }) => segments.join('/')),
  }
}

/** Makes every file, then every symlink, in the staging folder. */
async function fetchAll(
  cas: CasClient,
  plan: OutputPlan,
  places: readonly string[],
  options: MaterialiseOptions,
): Promise<void> {
  const { signal, onBytes } = options
  const placed = plan.files.map((file, at) => ({ ...file, place: places[at] ?? '' }))
  const small = placed.filter(({ digest }) => digest.size <= smallBlobBytesMax)
  const large = placed.filter(({ digest }) => digest.size > smallBlobBytesMax)
  for (const group of groups(small, ({ digest }) => digest.size + fileOverheadBytes, { bytesMax: groupBytes })) {
    await writeGroup(cas, group, signal)
    onBytes?.(group.reduce((sum, { digest }) => sum + digest.size, 0))
  }
  await forEachLimited(large, filesAtOnce, (file) =>
    cas.downloadFile(file.digest, file.place, modeOf(file), signal, onBytes),
  )
  for (const [at, link] of plan.symlinks.entries()) await symlink(link.target, places[plan.files.length + at] ?? '')
}

/** A file, and the place where it is staged. */
interface PlacedFile extends PlannedFile {
  readonly place: string
}

async function writeGroup(
  cas: CasClient,
  group: readonly PlacedFile[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const wanted = group.filter((file) => !holds(file)).map((file) => file.digest)
  const blobs = await cas.readBlobs(wanted, signal)
  await forEachLimited(group, filesAtOnce, async (file) => {
    const bytes = holds(file) ? file.contents : blobs.get(digestText(file.digest))
    if (!bytes) throw absentOutput(file.digest, file.segments)
    await writeFile(file.place, bytes, { flag: 'wx', mode: modeOf(file) })
  })
}

/** Do the contents inlined in the result really belong to the file? */
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
