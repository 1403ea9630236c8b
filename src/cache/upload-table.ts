import type { Clock } from '../core/clock.ts'
import type { BlobWriter } from '../store/blobs.ts'

/** How long an upload whose stream has ended may wait to be resumed, in milliseconds. */
export const parkedMsMax = 60_000
/** How long a stream may hold an upload without bringing anything, in milliseconds; then it is parked. */
export const stalledMsMax = 5 * 60_000
/** After this long without a message, in milliseconds, an upload may be ended in favour of one that finds no room. */
export const idleMsMin = 10_000

/** An upload in progress. */
export interface UploadEntry {
  readonly name: string
  /** The connection that took it last. */
  client: string
  /** Absent while the store opens it. */
  writer: BlobWriter | undefined
  /** The last operation of the writer; the next one waits for it. */
  pending: Promise<unknown>
  /** Writes and commits that have not settled. Each may itself be waiting for room that others give up. */
  underWay: number
  /** The stream that holds it; absent while parked. */
  owner: symbol | undefined
  /** When the stream that holds it took it or last brought something. */
  touched: number
  /** Stops its clock, which parks an upload that has stalled and ends one that has been parked too long. */
  stopClock: (() => void) | undefined
}

/** The uploads in progress by name, and how long each may stay. */
export interface UploadTable {
  get(name: string): UploadEntry | undefined
  /** Is this entry still in the table? Another one may have its name. */
  has(entry: UploadEntry): boolean
  /** Adds an upload that a stream begins, and whose writer is still being opened. */
  add(begun: Pick<UploadEntry, 'name' | 'client' | 'pending'>, owner: symbol): UploadEntry
  /** From now on the upload belongs to this stream. */
  take(entry: UploadEntry, owner: symbol): void
  /** Nobody holds the upload; it waits to be resumed. */
  park(entry: UploadEntry): void
  /** Takes an upload out that has been committed. */
  remove(entry: UploadEntry): void
  /** Takes an upload out and drops what it has written. */
  end(entry: UploadEntry): Promise<void>
  /**
   * Ends up to this many of those that stand still, parked ones first. One with something under way does not stand
   * still: it may be what is waiting for this to make room.
   * @returns how many there were
   */
  endIdle(count: number): Promise<number>
  /** If another client has more uploads than this one would have, ends the one of that client that has been idle longest. */
  outbid(client: string): Promise<void>
  readonly size: number
}

/** An empty table. */
export function createUploadTable(clock: Clock): UploadTable {
  const entries = new Map<string, UploadEntry>()
  /** The longest parked first. */
  const parked = new Set<UploadEntry>()

  function add(begun: Pick<UploadEntry, 'name' | 'client' | 'pending'>, owner: symbol): UploadEntry {
    const entry: UploadEntry = {
      ...begun,
      writer: undefined,
      underWay: 0,
      owner,
      touched: clock.now(),
      stopClock: undefined,
    }
    entries.set(entry.name, entry)
    take(entry, owner)
    return entry
  }

  function take(entry: UploadEntry, owner: symbol): void {
    parked.delete(entry)
    entry.owner = owner
    entry.touched = clock.now()
    watch(entry, stalledMsMax)
  }

  /** One clock for each upload, not for each message: it looks again as late as it can. */
  function watch(entry: UploadEntry, ms: number): void {
    entry.stopClock?.()
    entry.stopClock = clock.after(ms, () => {
      const left = entry.touched + stalledMsMax - clock.now()
      if (left > 0) watch(entry, left)
      else park(entry)
    })
  }

  function park(entry: UploadEntry): void {
    entry.owner = undefined
    parked.add(entry)
    entry.stopClock?.()
    entry.stopClock = clock.after(parkedMsMax, () => {
      entry.pending = Promise.allSettled([end(entry)])
    })
  }

  function remove(entry: UploadEntry): void {
    entry.stopClock?.()
    parked.delete(entry)
    if (entries.get(entry.name) === entry) entries.delete(entry.name)
  }

  async function end(entry: UploadEntry): Promise<void> {
    remove(entry)
    await entry.writer?.abort()
  }

  async function endIdle(count: number): Promise<number> {
    const idleSince = clock.now() - idleMsMin
    const idle = [...entries.values()].filter((each) => each.owner && each.writer && each.touched <= idleSince)
    return endAll([...parked, ...idle].filter((each) => each.underWay === 0).slice(0, count))
  }

  async function outbid(client: string): Promise<void> {
    const byClient = Map.groupBy(entries.values(), (each) => each.client)
    const most = [...byClient.values()].reduce((one, other) => (other.length > one.length ? other : one), [])
    if (most.length <= (byClient.get(client)?.length ?? 0) + 1) return
    await endAll([most.reduce((one, other) => (other.touched < one.touched ? other : one))])
  }

  async function endAll(chosen: readonly UploadEntry[]): Promise<number> {
    for (const entry of chosen) entry.owner = undefined
    await Promise.all(
      chosen.map(async (entry) => {
        await Promise.allSettled([entry.pending])
        await end(entry)
      }),
    )
    return chosen.length
  }

  return {
    get: (name) => entries.get(name),
    has: (entry) => entries.get(entry.name) === entry,
    add,
    take,
    park,
    remove,
    end,
    endIdle,
    outbid,
    get size() {
      return entries.size
    },
  }
}
