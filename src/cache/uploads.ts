import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import type { Blobs, BlobWriter } from '../store/blobs.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { retryLater } from '../wire/status.ts'

/** Uploads of more than one message at a time, parked ones among them; each holds an open file and the space of what came. */
export const uploadsMax = 2_000
/** How long an upload whose stream has ended may wait to be resumed, in milliseconds. */
export const parkedMsMax = 60_000
/** How long a stream may hold an upload without bringing anything, in milliseconds; then it is parked. */
export const stalledMsMax = 5 * 60_000
/** After so long without a message, in milliseconds, it may be given up for another that finds no room. */
export const idleMsMin = 10_000
/** When a client that met the bound may come back, in milliseconds. */
const retryMs = 1_000

/** An upload in the hands of one stream. Each of its methods fails with ABORTED once another stream has taken it over. */
export interface Upload {
  /** Takes the blob's next bytes; leaves out those that an earlier stream brought already. */
  write(chunk: Uint8Array): Promise<void>
  /** Checks and stores the blob; the upload is over. */
  commit(): Promise<void>
  /** The stream has ended early: keeps what came, for a while. */
  park(): void
  /** Forgets what came; the upload is over. Does nothing after a takeover. */
  drop(): Promise<void>
  /** Bytes of the blob that have been taken. */
  readonly written: number
}

/** All uploads in progress, by the full name of their resource (rule 5). */
export interface Uploads {
  /**
   * Begins, restarts (offset 0) or resumes an upload. A stream that still held it loses it:
   * a client that comes back has noticed a broken connection before we have.
   * @param offset bytes of the blob; at most what has been taken
   * @param client the connection that asks. Where there are too many uploads, whichever has most
   *   gives up the one that stood still the longest for one that has fewer
   * @returns undefined when the stream that held it has just brought it to its end
   * @throws Failure 'invalid' for an offset that cannot be resumed at; RpcError UNAVAILABLE with
   *   RetryInfo when there are too many uploads, and nobody has more of them than this client
   */
  claim(name: string, digest: Digest, offset: number, client: string): Promise<Upload | undefined>
  /** Bytes that an upload has taken; 0 for one that is not known. */
  written(name: string): number
  /** Forgets an upload that is begun anew in a single message. */
  forget(name: string): Promise<void>
  /** Stores something; space that uploads hold which stand still is given up before that is refused. */
  withRoom<T>(store: () => Promise<T>): Promise<T>
  readonly size: number
}

interface Entry {
  readonly name: string
  /** The connection that took it last. */
  client: string
  /** Absent while the store opens it. */
  writer: BlobWriter | undefined
  /** The last thing that was asked of the writer; the next one waits for it. */
  pending: Promise<unknown>
  /** Writes and commits that have not settled. Each may itself wait for the room that others give up. */
  underWay: number
  /** The stream that holds it; absent while parked. */
  owner: symbol | undefined
  /** When the stream that holds it brought something last, or took it. */
  touched: number
  /** Stops the clock that runs for it: towards the end of a parked one, or a look at a held one. */
  stopClock: (() => void) | undefined
}

interface Begun {
  readonly name: string
  readonly client: string
  readonly owner: symbol
  readonly digest: Digest
}

export interface UploadsOptions {
  readonly blobs: Blobs
  readonly clock: Clock
  readonly max?: number
  /** Ends what else stands still and holds room in the store; how much there was of it. */
  readonly endStalled?: () => Promise<number>
}

/** No uploads yet. */
export function createUploads({ blobs, clock, max = uploadsMax, endStalled }: UploadsOptions): Uploads {
  const entries = new Map<string, Entry>()
  /** The longest parked first. */
  const parked = new Set<Entry>()
  let makingRoom: Promise<number> | undefined

  async function claim(name: string, digest: Digest, offset: number, client: string): Promise<Upload | undefined> {
    const owner = Symbol(name)
    const known = entries.get(name)
    if (known) {
      known.client = client
      take(known, owner)
      await Promise.allSettled([known.pending])
      if (entries.get(name) !== known) return undefined
      assertOwner(known, owner)
      if (offset > 0) return resume(known, owner, offset)
      await end(known)
    }
    if (offset > 0) throw wrongOffset(name, offset, 0)
    return begin({ name, client, owner, digest })
  }

  function resume(entry: Entry, owner: symbol, offset: number): Upload {
    const written = entry.writer?.written ?? 0
    if (offset <= written) return held(entry, owner, written - offset)
    park(entry)
    throw wrongOffset(entry.name, offset, written)
  }

  async function begin({ name, client, owner, digest }: Begun): Promise<Upload> {
    if (entries.size >= max && (await giveUp(1)) === 0) await outbid(client)
    if (entries.size >= max) throw retryLater(`${max} uploads are in progress`, retryMs)
    const opening = blobs.write(digest)
    const entry: Entry = {
      name,
      client,
      writer: undefined,
      pending: opening,
      underWay: 0,
      owner,
      touched: clock.now(),
      stopClock: undefined,
    }
    entries.set(name, entry)
    take(entry, owner)
    try {
      entry.writer = await opening
    } catch (error) {
      remove(entry)
      throw error
    }
    // Given up while the store took its time: nobody else would release the space.
    if (entries.get(name) !== entry) await end(entry)
    return held(entry, owner, 0)
  }

  async function withRoom<T>(store: () => Promise<T>): Promise<T> {
    try {
      return await store()
    } catch (error) {
      if (!(error instanceof Failure && error.kind === 'exhausted')) throw error
      // Whoever finds no room while some is being made waits for it too.
      makingRoom ??= makeRoom().finally(() => {
        makingRoom = undefined
      })
      if ((await makingRoom) === 0) throw error
      return store()
    }
  }

  async function makeRoom(): Promise<number> {
    const [uploads, others] = await Promise.all([giveUp(max), endStalled?.() ?? 0])
    return uploads + others
  }

  function held(entry: Entry, owner: symbol, overlap: number): Upload {
    let skip = overlap
    /** What stands still gives its room up for it. */
    function ask(act: (writer: BlobWriter) => Promise<void>): Promise<void> {
      const writer = assertOwner(entry, owner)
      entry.underWay += 1
      const asked = withRoom(() => act(writer)).finally(() => {
        entry.underWay -= 1
      })
      entry.pending = asked
      entry.touched = clock.now()
      return asked
    }
    return {
      async write(chunk) {
        const skipped = Math.min(skip, chunk.length)
        skip -= skipped
        const rest = skipped === 0 ? chunk : chunk.subarray(skipped)
        // Where there was no room nothing has been taken: the same bytes are given again.
        await ask((writer) => writer.write(rest))
        assertOwner(entry, owner)
      },
      async commit() {
        await ask((writer) => writer.commit())
        remove(entry)
      },
      park() {
        if (entry.owner === owner) park(entry)
      },
      async drop() {
        if (entry.owner === owner) await end(entry)
      },
      get written() {
        return entry.writer?.written ?? 0
      },
    }
  }

  function take(entry: Entry, owner: symbol): void {
    parked.delete(entry)
    entry.owner = owner
    entry.touched = clock.now()
    watch(entry, stalledMsMax)
  }

  /** One clock for each upload, not for each message: it looks again as late as it can. */
  function watch(entry: Entry, ms: number): void {
    entry.stopClock?.()
    entry.stopClock = clock.after(ms, () => {
      const left = entry.touched + stalledMsMax - clock.now()
      if (left > 0) watch(entry, left)
      else park(entry)
    })
  }

  function park(entry: Entry): void {
    entry.owner = undefined
    parked.add(entry)
    entry.stopClock?.()
    entry.stopClock = clock.after(parkedMsMax, () => {
      entry.pending = Promise.allSettled([end(entry)])
    })
  }

  function remove(entry: Entry): void {
    entry.stopClock?.()
    parked.delete(entry)
    if (entries.get(entry.name) === entry) entries.delete(entry.name)
  }

  async function end(entry: Entry): Promise<void> {
    remove(entry)
    await entry.writer?.abort()
  }

  /**
   * Ends so many of those that stand still, parked ones first; how many there were. One with something under
   * way does not stand still: what waits for room waits for this to settle, so that this must not wait for it.
   */
  async function giveUp(count: number): Promise<number> {
    const idleSince = clock.now() - idleMsMin
    const idle = [...entries.values()].filter((each) => each.owner && each.writer && each.touched <= idleSince)
    return endAll([...parked, ...idle].filter((each) => each.underWay === 0).slice(0, count))
  }

  /** Ends an upload of the client that has most of them, the one it brought nothing for the longest, if this one has fewer. */
  async function outbid(client: string): Promise<void> {
    const byClient = Map.groupBy(entries.values(), (each) => each.client)
    const most = [...byClient.values()].reduce((one, other) => (other.length > one.length ? other : one), [])
    if (most.length <= (byClient.get(client)?.length ?? 0) + 1) return
    await endAll([most.reduce((one, other) => (other.touched < one.touched ? other : one))])
  }

  async function endAll(chosen: readonly Entry[]): Promise<number> {
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
    claim,
    withRoom,
    written: (name) => entries.get(name)?.writer?.written ?? 0,
    async forget(name) {
      const entry = entries.get(name)
      if (!entry) return
      take(entry, Symbol(name))
      await Promise.allSettled([entry.pending])
      await end(entry)
    },
    get size() {
      return entries.size
    },
  }
}

/** The entry's writer, if this stream still holds it. */
function assertOwner(entry: Entry, owner: symbol): BlobWriter {
  if (entry.owner === owner && entry.writer) return entry.writer
  throw new RpcError(Code.ABORTED, 'another stream has taken this upload over, or its place was needed by others')
}

function wrongOffset(name: string, offset: number, written: number): Failure {
  return new Failure(
    'invalid',
    `the upload cannot continue at byte ${offset}: ${written} bytes of it have been received`,
    {
      where: name,
      next: ['Call QueryWriteStatus to find out where to continue.'],
    },
  )
}
