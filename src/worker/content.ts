import type { CasClient } from '../client/cas.ts'
import { hashFile } from '../client/filehash.ts'
import { type Digest, sameDigest } from '../core/digest.ts'
import { errnoOf } from '../core/failure.ts'
import { createTimeSlice } from '../host/time-slice.ts'
import { createContentFetches } from './content-fetches.ts'
import { type Entry, openIndex } from './content-index.ts'
import type { MakeRoom } from './make-room.ts'
import { allMissing } from './missing-inputs.ts'
import { type Need, needKey } from './need.ts'
import type { Fetch } from './open-fetches.ts'
import { isUntouched, sealFile } from './sealed.ts'
import type { SpareFolders } from './spare-folders.ts'
import type { Spares } from './spares.ts'

/** The worker's own cache of input files. Actions get copies, or links where those are configured (links.ts). */
export interface Content {
  /**
   * Fetches files that are not cached yet, and holds all of them until they are released. A blob wanted by several at
   * once is fetched once.
   * @throws MissingInputs, or the storage's error; Failure 'exhausted' when the disk is full with files that others
   *   hold; nothing is held then
   */
  acquire(needs: readonly Need[]): Promise<Entry[]>
  release(entries: readonly Entry[]): void
  /** Drops a file for good, because somebody has modified it. */
  remove(entry: Entry): void
  /** Evicts files that nobody holds. */
  readonly makeRoom: MakeRoom
  /** Copies left by earlier actions. */
  readonly spares: Spares
  /** Folders left by earlier actions. */
  readonly spareFolders: SpareFolders
  /** Size of all files; exceeds the limit only while they are in use. */
  readonly bytes: number
  /** Bytes fetched from storage since the start. */
  readonly fetchedBytes: number
}

/**
 * Opens the cache in a folder. Files that are already there are used only after their hash has been verified: a worker
 * or a machine may have died while writing one.
 * @param bytesMax its limit; the least recently used files are evicted first
 * @param signal aborts fetches when the worker closes
 * @param discard removes a folder, now or later
 */
export function openContent(
  directory: string,
  bytesMax: number,
  cas: CasClient,
  signal: AbortSignal,
  discard: (path: string) => void,
): Content {
  const index = openIndex(directory, bytesMax, discard)
  const { makeRoom } = index
  const fetches = createContentFetches(index, cas, signal)

  /** Only we write here; a file that somebody has modified nevertheless is dropped. */
  const isIntact = async (entry: Entry): Promise<boolean> => {
    if (entry.gone) return false
    if (entry.seal && isUntouched(entry.path, entry.digest.size, entry.executable, entry.seal)) return true
    if (!entry.seal && (await holdsDigest(entry.path, entry.digest)) && !entry.gone) {
      entry.seal ??= sealFile(entry.path, entry.executable)
      return true
    }
    index.remove(entry)
    return false
  }

  /** Those of the files that are present and intact, held. */
  const holdPresent = async (needs: readonly Need[]): Promise<Map<string, Entry>> => {
    const present = needs.flatMap((need) => index.get(needKey(need)) ?? [])
    for (const entry of present) index.hold(entry)
    const held = new Map<string, Entry>()
    const slice = createTimeSlice()
    for (const entry of present) {
      if (slice.over) await slice.next()
      if (await isIntact(entry)) held.set(entry.key, entry)
      else index.release(entry)
    }
    return held
  }

  async function acquire(needs: readonly Need[]): Promise<Entry[]> {
    const held = await holdPresent(needs)
    const begun: Fetch[] = []
    const coming = needs.flatMap((need) => {
      const key = needKey(need)
      if (held.has(key)) return []
      const entry = index.get(key)
      if (!entry?.seal) return [fetches.join(need, key, begun)]
      // It arrived while the others were being checked.
      index.hold(entry)
      held.set(key, entry)
      return []
    })
    // Awaited from the start: a failure must not end the process while others are fetched.
    const outcomes = Promise.allSettled(coming)
    await fetches.fetchAll(begun)
    const errors: unknown[] = []
    for (const outcome of await outcomes) {
      if (outcome.status === 'fulfilled') held.set(outcome.value.key, outcome.value)
      else errors.push(outcome.reason)
    }
    if (errors.length === 0) return [...held.values()]
    for (const entry of held.values()) index.release(entry)
    throw allMissing(errors)
  }

  return {
    get bytes() {
      return index.bytes
    },
    get fetchedBytes() {
      return fetches.bytes
    },
    acquire,
    release(entries) {
      for (const entry of entries) index.release(entry)
    },
    remove: index.remove,
    makeRoom,
    spares: index.spares,
    spareFolders: index.spareFolders,
  }
}

/** A file that cannot be read, for whatever reason, counts as not matching. */
async function holdsDigest(path: string, digest: Digest): Promise<boolean> {
  try {
    return sameDigest((await hashFile(path, digest.fn, digest.size)).digest, digest)
  } catch (error) {
    if (errnoOf(error) !== undefined) return false
    throw error
  }
}
