import { Code, RpcError } from '../wire/rpc.ts'

/** How much of a running action's stdout or stderr is kept for followers. */
export const outputBytesMax = 1024 * 1024
/** Pieces smaller than this are merged, so that many small writes do not cost a list entry each. */
const pieceBytes = 4096

/** One stream of one attempt, written by its worker and read by any number of followers. */
export interface Output {
  /** Bytes that are kept now. */
  readonly kept: number
  /** The offset of the first byte that is kept. */
  readonly from: number
  /** Set when the stream has ended; with the error that followers get, if any. */
  readonly over: { readonly error: RpcError | undefined } | undefined
  /**
   * Some of the kept bytes from an offset on; undefined when there are none.
   * @throws RpcError OUT_OF_RANGE for bytes that are not kept any more
   */
  peek(offset: number): Uint8Array | undefined
  /** Drops the oldest bytes when more than outputBytesMax would be kept. */
  append(data: Uint8Array): void
  /** Nothing more comes: followers end once they have read the rest, or fail with the error. */
  end(error?: RpcError): void
  /**
   * Reads from an offset on, following what is appended until the end, in pieces.
   * @param limit bytes in all; 0 means no limit
   * @throws RpcError OUT_OF_RANGE for bytes that are not kept any more, or an offset beyond the end of a stream that
   *   has ended (rule 10)
   */
  read(offset: number, limit: number, signal: AbortSignal): AsyncIterable<Uint8Array>
}

/** An empty stream. */
export function createOutput(): Output {
  const pieces: Buffer[] = []
  let from = 0
  let kept = 0
  let ended: { readonly error: RpcError | undefined } | undefined
  const waiting = new Set<() => void>()

  function wake(): void {
    for (const resume of [...waiting]) resume()
  }

  function keep(data: Uint8Array): void {
    const last = pieces.at(-1)
    if (last && last.length + data.length <= pieceBytes) pieces[pieces.length - 1] = joined([last, data])
    else pieces.push(joined([data]))
    kept += data.length
    while (kept > outputBytesMax) {
      const dropped = pieces.shift()?.length ?? 0
      from += dropped
      kept -= dropped
    }
  }

  function more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        waiting.delete(settle)
        signal.removeEventListener('abort', settle)
        if (signal.aborted) reject(new RpcError(Code.CANCELLED, 'the reader has gone'))
        else resolve()
      }
      waiting.add(settle)
      signal.addEventListener('abort', settle, { once: true })
      if (signal.aborted) settle()
    })
  }

  /** The kept bytes from an offset on, as one piece; undefined when they are still to come. */
  function at(offset: number): Buffer | undefined {
    if (offset < from)
      throw new RpcError(
        Code.OUT_OF_RANGE,
        `the first ${from} bytes are no longer kept; when the action has ended, its result names the whole output by digest`,
      )
    let start = from
    for (const piece of pieces) {
      if (offset < start + piece.length) return piece.subarray(offset - start)
      start += piece.length
    }
    return undefined
  }

  return {
    get kept() {
      return kept
    },
    get from() {
      return from
    },
    get over() {
      return ended
    },
    peek: at,
    append(data) {
      if (ended || data.length === 0) return
      // A piece larger than the limit would drop itself.
      for (let start = 0; start < data.length; start += outputBytesMax / 4)
        keep(data.subarray(start, start + outputBytesMax / 4))
      wake()
    },
    end(error) {
      ended ??= { error }
      wake()
    },
    async *read(offset, limit, signal) {
      let next = offset
      const stop = limit > 0 ? offset + limit : Number.POSITIVE_INFINITY
      while (next < stop) {
        const piece = at(next)
        if (piece) {
          const taken = piece.subarray(0, Math.min(piece.length, stop - next))
          next += taken.length
          yield taken
        } else if (ended) {
          if (ended.error) throw ended.error
          if (next > from + kept)
            throw new RpcError(Code.OUT_OF_RANGE, `offset ${next} is beyond the stream's ${from + kept} bytes`)
          return
        } else await more(signal)
      }
    },
  }
}

/** In its own memory: a small Buffer is a slice of a 64 KiB pool, which would stay alive as a whole. */
function joined(parts: readonly Uint8Array[]): Buffer {
  const memory = new ArrayBuffer(parts.reduce((sum, { length }) => sum + length, 0))
  const whole = Buffer.from(memory)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
