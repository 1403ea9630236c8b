import { once } from 'node:events'
import type { Transform } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { errnoOf, Failure } from '../core/failure.ts'
import { sizeText } from '../core/units.ts'

export type Compression = 'none' | 'gzip' | 'zstd'

/** An expander of node:zlib, which counts the compressed bytes that it has consumed. */
type Expander = Transform & { readonly bytesWritten: number }

/** How far compressed content may expand. */
export interface ExpansionLimits {
  readonly timesMax: number
  /** Up to this size, any factor is allowed. */
  readonly bytesAlways: number
}

/** At most this many bytes, whatever the factor. */
export function expansionTo(bytesMax: number): ExpansionLimits {
  return { timesMax: 0, bytesAlways: bytesMax }
}

/** gzip reaches at most 1032 times, for zeros; a few bytes of zstd can expand to anything. */
const layerLimits: ExpansionLimits = { timesMax: 1000, bytesAlways: 2 ** 30 }

/**
 * The compression of bytes that begin like this, by the magic numbers of gzip and zstd; zstd's skippable frames count.
 */
export function compressionOf(start: Uint8Array): Compression {
  const [a, b, c, d] = start
  if (a === 0x1f && b === 0x8b) return 'gzip'
  const isFrame = a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd
  const isSkipped = a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18
  return isFrame || isSkipped ? 'zstd' : 'none'
}

/**
 * Expands compressed bytes: every member of gzip (RFC 1952, 2.2) and every frame of zstd (RFC 8878, 3.1). The content
 * is always read to its end, since that is where it is verified. A piece is given back only once it has been expanded,
 * as its contract asks (medium.ts). Untrusted input can expand to anything, so it is bounded.
 * @param where the place and the content's digest, for errors
 * @throws what the content throws; Failure 'corrupt' for an incomplete or broken stream, 'invalid' beyond the limits
 */
export async function* expanded(
  content: AsyncIterable<Uint8Array>,
  compression: Compression,
  where: string,
  limits = layerLimits,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (compression === 'none') return yield* content
  let read = 0
  let written = 0
  const counted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of content) {
      read += piece.byteLength
      yield piece
    }
  }
  for await (const piece of everyStream(rests(counted()), compression, where)) {
    written += piece.byteLength
    if (written > limits.bytesAlways && written > read * limits.timesMax) throw bomb(compression, limits, where)
    yield piece
  }
}

function bomb(compression: Compression, { timesMax, bytesAlways }: ExpansionLimits, where: string): Failure {
  const times = timesMax === 0 ? '' : ` and ${timesMax} times its size`
  return new Failure('invalid', `the ${compression} stream expands to more than ${sizeText(bytesAlways)}${times}`, {
    where,
    next: ['If you trust where it comes from, give it the room that it needs: --expand-max 100GiB, for example.'],
  })
}

async function* everyStream(
  input: Rests,
  compression: Compression,
  where: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    // Node's gzip expander continues with the next member by itself; the zstd one stops after a frame.
    do yield* oneStream(input, compression === 'gzip' ? createGunzip() : createZstdDecompress())
    while (compression === 'zstd' && (await input.next()))
    // Zeros, which may pad a gzip file.
    for (let rest = await input.next(); rest; rest = await input.next()) input.took(rest.byteLength)
  } catch (error) {
    if (!errnoOf(error)?.startsWith('Z')) throw error
    throw new Failure('corrupt', `the bytes are not a whole ${compression} stream`, { where, cause: error })
  } finally {
    await input.close()
  }
}

/** Content of which an expander may consume part of a piece, and the next expander the rest. */
interface Rests {
  /** What is left of the current piece, or the next one; undefined at the end. */
  next(): Promise<Uint8Array | undefined>
  took(bytes: number): void
  close(): Promise<void>
}

function rests(content: AsyncIterable<Uint8Array>): Rests {
  const pieces = content[Symbol.asyncIterator]()
  let rest: Uint8Array | undefined
  return {
    async next() {
      while (rest === undefined || rest.byteLength === 0) {
        const piece = await pieces.next()
        if (piece.done) return undefined
        rest = piece.value
      }
      return rest
    },
    took(bytes) {
      rest = rest?.subarray(bytes)
    },
    async close() {
      await pieces.return?.()
    },
  }
}

async function* oneStream(input: Rests, expander: Expander): AsyncGenerator<Uint8Array, void, undefined> {
  const fed = feed(input, expander)
  try {
    yield* expander
  } finally {
    expander.destroy()
    await fed
  }
}

/** Never rejects: errors surface to the reader of the expander. */
async function feed(input: Rests, expander: Expander): Promise<void> {
  try {
    for (let piece = await input.next(); piece; piece = await input.next()) {
      const before = expander.bytesWritten
      const isWanted = await expandedPiece(expander, piece)
      const taken = expander.bytesWritten - before
      input.took(taken)
      if (!isWanted || taken < piece.byteLength) return
    }
    expander.end()
  } catch (error) {
    expander.destroy(error instanceof Error ? error : undefined)
  }
}

/** Waits until a piece has been expanded; false if nobody wants more. */
async function expandedPiece(expander: Expander, piece: Uint8Array): Promise<boolean> {
  if (expander.destroyed) return false
  const gone = new AbortController()
  const written = new Promise<void>((resolve) => expander.write(piece, () => resolve()))
  await Promise.race([written, once(expander, 'close', { signal: gone.signal }).catch(() => undefined)])
  gone.abort()
  return !expander.destroyed
}
