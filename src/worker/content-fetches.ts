import { constants } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import type { CasClient } from '../client/cas.ts'
import { forEachLimited } from '../client/parallel.ts'
import { digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { smallBlobBytesMax } from '../core/limits.ts'
import type { ContentIndex, Entry } from './content-index.ts'
import { withRoom, withRoomSync } from './make-room.ts'
import { MissingInputs } from './missing-inputs.ts'
import { type Need, needKey } from './need.ts'
import { createOpenFetches, type Fetch } from './open-fetches.ts'
import { isUntouched, removeFile, sealFile, writeSealed } from './sealed.ts'

/** Small blobs are fetched in batches of this size, which are held in memory meanwhile. */
const groupBytes = 8 * 1024 * 1024
const groupsAtOnce = 4

/** Fetches files from storage into the cache, each only once however many actions wait for it. */
export interface ContentFetches {
  /** Bytes fetched from storage since the start. */
  readonly bytes: number
  /**
   * Joins a fetch that is in progress, or begins one; the resulting entry is held.
   * @param begun gets the fetch if it is new, for `fetchAll`
   */
  join(need: Need, key: string, begun: Fetch[]): Promise<Entry>
  /** Performs the new fetches. Failures are reported through the promises that `join` returned. */
  fetchAll(begun: readonly Fetch[]): Promise<void>
}

/** @param signal aborts fetches when the worker closes */
export function createContentFetches(index: ContentIndex, cas: CasClient, signal: AbortSignal): ContentFetches {
  const { makeRoom } = index
  const fetches = createOpenFetches(index)
  let fetchedBytes = 0

  /** The same bytes are in the cache as another file: with the other executable bit. */
  const fromSibling = async (fetch: Fetch): Promise<boolean> => {
    const sibling = index.get(needKey({ digest: fetch.need.digest, executable: !fetch.need.executable }))
    if (!sibling?.seal || !isUntouched(sibling.path, sibling.digest.size, sibling.executable, sibling.seal))
      return false
    const path = index.pathOf(fetch.need)
    index.hold(sibling)
    try {
      await withRoom(makeRoom, sibling.digest.size, () => {
        removeFile(path)
        return copyFile(sibling.path, path, constants.COPYFILE_FICLONE)
      })
    } finally {
      index.release(sibling)
    }
    fetches.arrived(fetch, sealFile(path, fetch.need.executable))
    return true
  }

  const fetchGroup = async (group: readonly Fetch[]): Promise<void> => {
    const missing: Fetch[] = []
    for (const fetch of group) if (!(await fromSibling(fetch))) missing.push(fetch)
    const [first] = missing
    if (!first) return
    if (first.need.digest.size > smallBlobBytesMax) return await fetchLarge(first)
    const blobs = await cas.readBlobs(
      missing.map((fetch) => fetch.need.digest),
      signal,
    )
    for (const fetch of missing) {
      const bytes = blobs.get(digestText(fetch.need.digest))
      if (!bytes) {
        fetches.failed(fetch, new MissingInputs([fetch.need.digest]))
        continue
      }
      fetchedBytes += bytes.byteLength
      const path = index.pathOf(fetch.need)
      const seal = withRoomSync(makeRoom, bytes.byteLength, () => {
        removeFile(path)
        return writeSealed(path, bytes, fetch.need.executable)
      })
      fetches.arrived(fetch, seal)
    }
  }
  const fetchLarge = async (fetch: Fetch): Promise<void> => {
    const path = index.pathOf(fetch.need)
    try {
      await withRoom(makeRoom, fetch.need.digest.size, () => {
        removeFile(path)
        return cas.downloadFile(fetch.need.digest, path, 0o600, signal)
      })
    } catch (error) {
      if (error instanceof Failure && error.kind === 'not-found') throw new MissingInputs([fetch.need.digest])
      throw error
    }
    fetchedBytes += fetch.need.digest.size
    fetches.arrived(fetch, sealFile(path, fetch.need.executable))
  }
  const fetchAll = (begun: readonly Fetch[]) =>
    forEachLimited(grouped(begun), groupsAtOnce, async (group) => {
      try {
        await fetchGroup(group)
      } catch (error) {
        for (const fetch of group) if (fetches.has(fetch)) fetches.failed(fetch, error)
      }
    })

  return {
    get bytes() {
      return fetchedBytes
    },
    join: fetches.join,
    fetchAll,
  }
}

/** Large blobs alone, small ones together. */
function grouped(fetches: readonly Fetch[]): Fetch[][] {
  const groups: Fetch[][] = []
  let open: Fetch[] | undefined
  let room = 0
  for (const fetch of fetches) {
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
