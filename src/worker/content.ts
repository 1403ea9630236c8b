import { constants, copyFileSync } from 'node:fs'
import type { CasClient } from '../client/cas.ts'
import { hashFile } from '../client/filehash.ts'
import { forEachLimited } from '../client/parallel.ts'
import { type Digest, digestText, sameDigest } from '../core/digest.ts'
import { errnoOf, Failure } from '../core/failure.ts'
import { smallBlobBytesMax } from '../core/limits.ts'
import { type Entry, type Need, needKey, openIndex } from './content-index.ts'
import { allMissing, MissingInputs } from './missing-inputs.ts'
import { isUntouched, removeFile, sealFile, writeSealed } from './sealed.ts'

/** One use of a cached file by one action. */
export interface Held {
  readonly entry: Entry
  /** Was it, from the beginning, held by this action alone? */
  readonly alone: boolean
  /** The entry's `holds` when this one began: another value later says that others came. */
  readonly holds: number
}

/** The worker's own cache of input files; how it is kept from being spoiled stands in sealed.ts. */
export interface Content {
  /**
   * Brings the files here that are not here yet, and holds all of them until they are
   * released. A blob that several want at once is fetched once.
   * @throws MissingInputs, or what the storage answered; nothing is held then
   */
  acquire(needs: readonly Need[]): Promise<Held[]>
  release(held: readonly Held[]): void
  /** Are the file's bytes still the digest's? Seals it again if so, else takes it out for good. */
  recheck(entry: Entry): Promise<boolean>
  /** Files that an action has changed once are copied for each action from then on. */
  mustCopy(entry: Entry): boolean
  /** Bytes of all files; beyond the bound only while running actions hold them. */
  readonly bytes: number
  /** Bytes that came from the storage since the start. */
  readonly fetchedBytes: number
}

/** Small blobs are fetched in groups of so many bytes, which stand in memory meanwhile. */
const groupBytes = 8 * 1024 * 1024
const groupsAtOnce = 4
const suspectsMax = 10_000

interface Fetch {
  readonly need: Need
  readonly key: string
  waiters: number
  readonly entry: Promise<Entry>
  readonly settle: (entry: Entry) => void
  readonly fail: (error: unknown) => void
}

/**
 * Opens the cache in a folder. What is there from before is used only after its hash has been
 * checked anew: an action may have been changing it when the last worker died.
 * @param bytesMax its bound; files that were not used for longest leave first
 * @param signal ends fetches when the worker closes
 */
export function openContent(directory: string, bytesMax: number, cas: CasClient, signal: AbortSignal): Content {
  const index = openIndex(directory, bytesMax)
  const fetches = new Map<string, Fetch>()
  const suspects = new Set<string>()
  let fetchedBytes = 0

  const begin = (need: Need, key: string): Fetch => {
    const { promise, resolve, reject } = Promise.withResolvers<Entry>()
    // Those who wait see a failure; it must not end the process before they look.
    promise.catch(() => undefined)
    const fetch = { need, key, waiters: 0, entry: promise, settle: resolve, fail: reject }
    fetches.set(key, fetch)
    return fetch
  }
  const arrived = (fetch: Fetch, seal: Entry['seal']) => {
    fetches.delete(fetch.key)
    fetch.settle(index.add(fetch.need, seal, fetch.waiters))
  }
  const failed = (fetch: Fetch, error: unknown) => {
    fetches.delete(fetch.key)
    fetch.fail(error)
  }

  async function recheck(entry: Entry): Promise<boolean> {
    if (entry.gone) return false
    const same = await holdsDigest(entry.path, entry.digest)
    if (entry.gone) return false
    if (same) {
      entry.seal = sealFile(entry.path, entry.executable)
      return true
    }
    suspects.add(entry.key)
    const [oldest] = suspects
    if (oldest !== undefined && suspects.size > suspectsMax) suspects.delete(oldest)
    index.remove(entry)
    return false
  }

  /** The same bytes are here as another file: with the other executable bit. */
  const fromSibling = (fetch: Fetch): boolean => {
    const sibling = index.get(needKey({ digest: fetch.need.digest, executable: !fetch.need.executable }))
    if (!sibling?.seal || !isUntouched(sibling.path, sibling.digest.size, sibling.executable, sibling.seal))
      return false
    const path = index.pathOf(fetch.need)
    copyFileSync(sibling.path, path, constants.COPYFILE_FICLONE)
    arrived(fetch, sealFile(path, fetch.need.executable))
    return true
  }

  const fetchGroup = async (group: readonly Fetch[]): Promise<void> => {
    const wanted = group.filter((fetch) => !fromSibling(fetch))
    const [first] = wanted
    if (!first) return
    if (first.need.digest.size > smallBlobBytesMax) return await fetchLarge(first)
    const blobs = await cas.readBlobs(
      wanted.map((fetch) => fetch.need.digest),
      signal,
    )
    for (const fetch of wanted) {
      const bytes = blobs.get(digestText(fetch.need.digest))
      if (!bytes) {
        failed(fetch, new MissingInputs([fetch.need.digest]))
        continue
      }
      fetchedBytes += bytes.byteLength
      const path = index.pathOf(fetch.need)
      removeFile(path)
      arrived(fetch, writeSealed(path, bytes, fetch.need.executable))
    }
  }
  const fetchLarge = async (fetch: Fetch): Promise<void> => {
    const path = index.pathOf(fetch.need)
    removeFile(path)
    try {
      await cas.downloadFile(fetch.need.digest, path, 0o600, signal)
    } catch (error) {
      if (error instanceof Failure && error.kind === 'not-found') throw new MissingInputs([fetch.need.digest])
      throw error
    }
    fetchedBytes += fetch.need.digest.size
    arrived(fetch, sealFile(path, fetch.need.executable))
  }
  const fetchAll = (wanted: readonly Fetch[]) =>
    forEachLimited(grouped(wanted), groupsAtOnce, async (group) => {
      try {
        await fetchGroup(group)
      } catch (error) {
        for (const fetch of group) if (fetches.get(fetch.key) === fetch) failed(fetch, error)
      }
    })

  const holdNow = (entry: Entry): Held => {
    index.hold(entry)
    return { entry, alone: entry.holders === 1, holds: entry.holds }
  }
  /** Joins a fetch that is under way, or begins one. */
  const join = (need: Need, key: string, begun: Fetch[]): Promise<Held> => {
    let fetch = fetches.get(key)
    if (!fetch) {
      fetch = begin(need, key)
      begun.push(fetch)
    }
    const own = fetch
    own.waiters += 1
    return own.entry.then((entry) => ({ entry, alone: own.waiters === 1, holds: own.waiters }))
  }

  async function acquire(needs: readonly Need[]): Promise<Held[]> {
    const held: Held[] = []
    const unsealed: Held[] = []
    for (const need of needs) {
      const entry = index.get(needKey(need))
      if (entry) (entry.seal ? held : unsealed).push(holdNow(entry))
    }
    for (const each of unsealed) {
      if (await recheck(each.entry)) held.push(each)
      else index.release(each.entry)
    }
    const have = new Set(held.map((each) => each.entry.key))
    const begun: Fetch[] = []
    const coming = needs.flatMap((need) => {
      const key = needKey(need)
      if (have.has(key)) return []
      const entry = index.get(key)
      if (!entry?.seal) return [join(need, key, begun)]
      held.push(holdNow(entry))
      return []
    })
    // Looked at from the start: a failure must not end the process while others are fetched.
    const outcomes = Promise.allSettled(coming)
    await fetchAll(begun)
    const errors: unknown[] = []
    for (const outcome of await outcomes) {
      if (outcome.status === 'fulfilled') held.push(outcome.value)
      else errors.push(outcome.reason)
    }
    if (errors.length === 0) return held
    for (const each of held) index.release(each.entry)
    throw allMissing(errors)
  }

  return {
    get bytes() {
      return index.bytes
    },
    get fetchedBytes() {
      return fetchedBytes
    },
    acquire,
    release(held) {
      for (const each of held) index.release(each.entry)
    },
    recheck,
    mustCopy: (entry) => suspects.has(entry.key),
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

/** Large blobs alone, small ones together. */
function grouped(wanted: readonly Fetch[]): Fetch[][] {
  const groups: Fetch[][] = []
  let open: Fetch[] | undefined
  let room = 0
  for (const fetch of wanted) {
    const { size } = fetch.need.digest
    if (size > smallBlobBytesMax) groups.push([fetch])
    else if (open && size <= room) {
      open.push(fetch)
      room -= size
    } else {
      open = [fetch]
      groups.push(open)
      room = groupBytes - size
    }
  }
  return groups
}
