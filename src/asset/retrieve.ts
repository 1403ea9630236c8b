import type { DigestFunction } from '../core/digest.ts'
import type { SharedSemaphore } from '../core/semaphore.ts'
import { Code } from '../wire/rpc.ts'
import { AtOrigin } from './at-origin.ts'
import type { AssetCache } from './cache.ts'
import type { Checksum } from './checksum.ts'
import type { Headers } from './headers.ts'
import { type Stored, storeBody } from './intake.ts'
import { fetchable, type Incoming, type Origin } from './origin.ts'

/** What to get from an origin. */
export interface Sought {
  /** Alternative places of the same content, tried in this order. */
  readonly uris: readonly string[]
  /** For each of them. */
  readonly headers: readonly Headers[]
  readonly checksums: readonly Checksum[]
  readonly fn: DigestFunction
}

export interface Retrieved extends Stored {
  /** The URI that it came from. */
  readonly uri: string
}

export interface Retriever {
  readonly cache: AssetCache
  readonly origin: Origin
  /** Bounds the downloads, since each holds memory. */
  readonly semaphore: SharedSemaphore
  /** Counts bytes as they arrive. */
  readonly received: (bytes: number) => void
}

/** An error at an origin, with the URI that it is about. */
export class AtUri extends AtOrigin {
  readonly uri: string

  constructor(uri: string, error: AtOrigin) {
    super(error.code, error.message, error.cause, error.details)
    this.uri = uri
  }
}

/**
 * Downloads a blob into the cache, from the first place that has it.
 * @throws AtUri if none has it
 */
export async function retrieve(
  { cache, origin, semaphore, received }: Retriever,
  client: string,
  sought: Sought,
  signal: AbortSignal,
): Promise<Retrieved> {
  async function stored({ size, pieces, close }: Incoming): Promise<Stored> {
    try {
      return await storeBody(cache, client, { size, pieces: counted(pieces, received) }, sought)
    } finally {
      // A response that is refused before it is read leaves its connection open.
      close()
    }
  }

  return semaphore(client, async () => {
    const errors: AtUri[] = []
    for (const [place, uri] of sought.uris.entries()) {
      signal.throwIfAborted()
      const url = fetchable(uri)
      if (!url) continue
      try {
        const asked = { url, signal, headers: sought.headers[place] ?? {}, checked: sought.checksums.length > 0 }
        return { ...(await stored(await origin.open(asked))), uri }
      } catch (error) {
        if (signal.aborted) throw signal.reason
        if (!(error instanceof AtOrigin)) throw error
        errors.push(new AtUri(uri, error))
      }
    }
    throw summary(errors)
  })
}

/** Sums up several errors: the code of the last one that is more than "not found", and all of their texts. */
function summary(errors: readonly AtUri[]): AtOrigin {
  const telling = errors.findLast(({ code }) => code !== Code.NOT_FOUND) ?? errors.at(-1)
  if (!telling || errors.length === 1) return telling ?? new AtOrigin(Code.NOT_FOUND, 'no URI can be fetched')
  const texts = errors.map(({ message }) => message).join('; ')
  return new AtUri(telling.uri, new AtOrigin(telling.code, texts, telling.cause))
}

async function* counted(pieces: AsyncIterable<Buffer>, received: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    received(piece.length)
    yield piece
  }
}
