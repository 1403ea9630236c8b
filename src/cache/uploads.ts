import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import type { Blobs, BlobWriter } from '../store/blobs.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { retryLater } from '../wire/status.ts'
import { createUploadTable, type UploadEntry } from './upload-table.ts'
import { createWithRoom, type WithRoom } from './with-room.ts'

/** Uploads of more than one message at once, including parked ones; each holds an open file and the room of its bytes so far. */
export const uploadsMax = 2_000
/** After this many milliseconds, a client that was refused may try again. */
const retryMs = 1_000

/** An upload in the hands of one stream. Each of its methods fails with ABORTED once another stream has taken it over. */
export interface Upload {
  /**
   * Takes the blob's next bytes; leaves out those that an earlier stream brought already.
   * @returns undefined when that is done already
   */
  write(chunk: Uint8Array): undefined | Promise<void>
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
  /** Stores something; before that is refused for lack of room, uploads that stand still are ended. */
  readonly withRoom: WithRoom
  readonly size: number
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
  /** Ends whatever else stands still and holds room in the store; resolves to how many there were. */
  readonly endStalled?: () => Promise<number>
}

/** No uploads yet. */
export function createUploads({ blobs, clock, max = uploadsMax, endStalled }: UploadsOptions): Uploads {
  const table = createUploadTable(clock)
  const withRoom = createWithRoom(async () => {
    const [uploads, others] = await Promise.all([table.endIdle(max), endStalled?.() ?? 0])
    return uploads + others
  })

  async function claim(name: string, digest: Digest, offset: number, client: string): Promise<Upload | undefined> {
    const owner = Symbol(name)
    const known = table.get(name)
    if (known) {
      known.client = client
      table.take(known, owner)
      await Promise.allSettled([known.pending])
      if (!table.has(known)) return undefined
      assertOwner(known, owner)
      if (offset > 0) return resume(known, owner, offset)
      await table.end(known)
    }
    if (offset > 0) throw wrongOffset(name, offset, 0)
    return begin({ name, client, owner, digest })
  }

  function resume(entry: UploadEntry, owner: symbol, offset: number): Upload {
    const written = entry.writer?.written ?? 0
    if (offset <= written) return held(entry, owner, written - offset)
    table.park(entry)
    throw wrongOffset(entry.name, offset, written)
  }

  async function begin({ name, client, owner, digest }: Begun): Promise<Upload> {
    if (table.size >= max && (await table.endIdle(1)) === 0) await table.outbid(client)
    if (table.size >= max) throw retryLater(`${max} uploads are in progress`, retryMs)
    const opening = blobs.write(digest)
    const entry = table.add({ name, client, pending: opening }, owner)
    try {
      entry.writer = await opening
    } catch (error) {
      table.remove(entry)
      throw error
    }
    // Given up while the store took its time: nobody else would release the space.
    if (!table.has(entry)) await table.end(entry)
    return held(entry, owner, 0)
  }

  function held(entry: UploadEntry, owner: symbol, overlap: number): Upload {
    let skip = overlap
    /** Calls the writer; other uploads that stand still give up their room for it. */
    function ask(act: (writer: BlobWriter) => undefined | Promise<void>): undefined | Promise<void> {
      const writer = assertOwner(entry, owner)
      entry.touched = clock.now()
      // Before it is asked: what makes room for it must not take this very upload for one that stands still.
      entry.underWay += 1
      const asked = withRoom(() => act(writer))
      if (!asked) {
        entry.underWay -= 1
        return undefined
      }
      const pending = asked.finally(() => {
        entry.underWay -= 1
      })
      entry.pending = pending
      return pending
    }
    return {
      write(chunk) {
        const skipped = Math.min(skip, chunk.length)
        skip -= skipped
        const rest = skipped === 0 ? chunk : chunk.subarray(skipped)
        // Where there was no room nothing has been taken: the same bytes are given again.
        return ask((writer) => writer.write(rest))?.then(() => void assertOwner(entry, owner))
      },
      async commit() {
        await ask((writer) => writer.commit())
        table.remove(entry)
      },
      park() {
        if (entry.owner === owner) table.park(entry)
      },
      async drop() {
        if (entry.owner === owner) await table.end(entry)
      },
      get written() {
        return entry.writer?.written ?? 0
      },
    }
  }

  return {
    claim,
    withRoom,
    written: (name) => table.get(name)?.writer?.written ?? 0,
    async forget(name) {
      const entry = table.get(name)
      if (!entry) return
      table.take(entry, Symbol(name))
      await Promise.allSettled([entry.pending])
      await table.end(entry)
    },
    get size() {
      return table.size
    },
  }
}

/** The entry's writer, if this stream still holds it. */
function assertOwner(entry: UploadEntry, owner: symbol): BlobWriter {
  if (entry.owner === owner && entry.writer) return entry.writer
  throw new RpcError(Code.ABORTED, 'another stream has taken over this upload, or it was ended to make room for others')
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
