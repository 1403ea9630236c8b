import type { CasClient } from '../client/cas.ts'
import { hashFile } from '../client/filehash.ts'
import { type Digest, sameDigest } from '../core/digest.ts'
import { errnoOf } from '../core/failure.ts'
import { createTimeSlice } from '../host/time-slice.ts'
import { createContentFetches, type Fetch } from './content-fetches.ts'
import { type Entry, openIndex } from './content-index.ts'
import type { MakeRoom } from './make-room.ts'
import { allMissing } from './missing-inputs.ts'
import { type Need, needKey } from './need.ts'
import { isUntouched, sealFile } from './sealed.ts'
import type { Spares } from './spares.ts'

/** The worker's own cache of input files. Actions get copies, or links where those are configured (links.ts). */
export interface Content {
  /**
   * Brings the files here that are not here yet, and holds all of them until they are
   * released. A blob that several want at once is fetched once.
   * @throws MissingInputs, or what the storage answered; Failure 'exhausted' when the disk is full of what others
   *   hold; nothing is held then
   */
  acquire(needs: readonly Need[]): Promise<Entry[]>
  release(entries: readonly Entry[]): void
  /** Drops a file for good, because somebody has touched it. */
  remove(entry: Entry): void
  /** Gives up files that nobody holds. */
  readonly makeRoom: MakeRoom
  /** Copies that actions had. */
  readonly spares: Spares
  /** Bytes of all files; beyond the bound only while they are being used. */
  readonly bytes: number
  /** Bytes that came from the storage since the start. */
  readonly fetchedBytes: number
}

/**
 * Opens the cache in a folder. What is there from before is used only after its hash has been
 * checked again: a worker or a machine may have died while it was written.
 * @param bytesMax its bound; files that were not used for longest leave first
 * @param signal ends fetches when the worker closes
 */
export function openContent(directory: string, bytesMax: number, cas: CasClient, signal: AbortSignal): Content {
  const index = openIndex(directory, bytesMax)
  const { makeRoom } = index
  const fetches = createContentFetches(index, cas, signal)

  /** Only we write here; a file that somebody has touched nevertheless is dropped. */
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

  /** Those of the files that are here and intact, held. */
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
      // It came while the others were looked at.
      index.hold(entry)
      held.set(key, entry)
      return []
    })
    // Looked at from the start: a failure must not end the process while others are fetched.
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
  }
}

/** A file that cannot be read, for whatever reason, does not hold it. */
async function holdsDigest(path: string, digest: Digest): Promise<boolean> {
  try {
    return sameDigest((await hashFile(path, digest.fn, digest.size)).digest, digest)
  } catch (error) {
    if (errnoOf(error) !== undefined) return false
    throw error
  }
}
