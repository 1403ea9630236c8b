import { promisify } from 'node:util'
import {
  constants,
  createZstdCompress,
  createZstdDecompress,
  type ZstdOptions,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
} from 'node:zlib'
import { errnoOf, Failure } from '../core/failure.ts'
import { chunkBytesMax } from '../core/limits.ts'
import { windowBytesMax, ZstdFrames } from './zstd-frames.ts'

/** Level 1: the network is close, so speed matters more than the last few per cent. */
const packing: ZstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }
const unpacking: ZstdOptions = {
  chunkSize: chunkBytesMax,
  params: { [constants.ZSTD_d_windowLogMax]: Math.log2(windowBytesMax) },
}
/** Below this, handing over to another thread costs more than the work. */
const inlineBytesMax = 64 * 1024

const compressElsewhere = promisify<Uint8Array, ZstdOptions, Buffer>(zstdCompress)
const decompressElsewhere = promisify(zstdDecompress) as unknown as (
  bytes: Uint8Array,
  options: ZstdOptions,
) => Promise<Unpacked>

/** Compresses into one zstd frame. */
export async function packZstd(bytes: Uint8Array): Promise<Buffer> {
  return bytes.byteLength <= inlineBytesMax ? zstdCompressSync(bytes, packing) : compressElsewhere(bytes, packing)
}

/**
 * The content of one or more zstd frames.
 * @param sizeExpected bytes that the content must have; no more than that is ever held in memory
 * @throws Failure 'invalid' if it is not zstd, is cut off, asks for too large a window, is followed by something else,
 *   or has another size
 */
export async function unpackZstd(bytes: Uint8Array, sizeExpected: number): Promise<Buffer> {
  const frames = new ZstdFrames()
  const parts = [...frames.parts(bytes), ...frames.end()]
  const contents: Buffer[] = []
  let left = sizeExpected
  for (const part of parts) {
    const content = await unpackFrame(part, left, sizeExpected)
    left -= content.length
    contents.push(content)
  }
  if (left !== 0) throw wrongSize(sizeExpected)
  const [only] = contents
  return contents.length === 1 && only ? only : Buffer.concat(contents)
}

async function unpackFrame(bytes: Uint8Array, sizeMax: number, sizeExpected: number): Promise<Buffer> {
  const options = {
    ...unpacking,
    // No larger than the content: most blobs are small, and each would allocate this much.
    chunkSize: Math.min(Math.max(sizeMax, 64), chunkBytesMax),
    maxOutputLength: Math.max(sizeMax, 1),
    info: true,
  }
  let unpacked: Unpacked
  try {
    unpacked = await (sizeMax <= inlineBytesMax
      ? (zstdDecompressSync(bytes, options) as unknown as Unpacked)
      : decompressElsewhere(bytes, options))
  } catch (error) {
    throw errnoOf(error) === 'ERR_BUFFER_TOO_LARGE' ? wrongSize(sizeExpected) : malformed(error)
  }
  if (unpacked.engine.bytesWritten !== bytes.byteLength) throw malformed(undefined)
  if (unpacked.buffer.length > sizeMax) throw wrongSize(sizeExpected)
  return unpacked.buffer
}

/** What zlib returns with `info`: the content, and how much input it consumed. */
interface Unpacked {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

/** Compresses a stream into one zstd frame; holds only a few pieces at a time. */
export function packZstdStream(source: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  return through(source, createZstdCompress({ ...packing, chunkSize: chunkBytesMax }), whole)
}

/**
 * Decompresses a stream of zstd frames; holds only a few pieces at a time. Reads the source to its end. The source's
 * errors are passed through.
 * @param sizeExpected bytes that the content must have; the stream fails at the first byte beyond them
 * @throws Failure 'invalid' like unpackZstd
 */
export async function* unpackZstdStream(
  source: AsyncIterable<Uint8Array>,
  sizeExpected: number,
): AsyncIterable<Buffer> {
  let size = 0
  for await (const piece of unpackZstdOfAnySize(source)) {
    size += piece.length
    if (size > sizeExpected) throw wrongSize(sizeExpected)
    yield piece
  }
  if (size !== sizeExpected) throw wrongSize(sizeExpected)
}

/** The same for an unknown size: the reader has to limit it. */
export function unpackZstdOfAnySize(source: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  // If a write ends where a frame does, the coder continues with the next one.
  return through(source, createZstdDecompress(unpacking), new ZstdFrames())
}

type Coder = ReturnType<typeof createZstdCompress> | ReturnType<typeof createZstdDecompress>
/** How a source's pieces are split before they go to a coder, and what follows the last one. */
interface Cut {
  parts(piece: Uint8Array): Iterable<Uint8Array>
  end(): Iterable<Uint8Array>
}

const whole: Cut = { parts: (piece) => [piece], end: () => [] }

/** The output of a coder while the source is written into it, with back-pressure both ways. */
async function* through(source: AsyncIterable<Uint8Array>, coder: Coder, cut: Cut): AsyncIterable<Buffer> {
  let broken: { error: unknown } | undefined
  let fed = 0
  async function feed(parts: Iterable<Uint8Array>): Promise<void> {
    for (const part of parts) {
      if (coder.destroyed) return
      fed += part.byteLength
      await consumed(coder, part)
    }
  }
  async function pump(): Promise<void> {
    for await (const piece of source) {
      if (coder.destroyed) return
      await feed(cut.parts(piece))
    }
    await feed(cut.end())
    coder.end()
  }
  pump().catch((error: unknown) => {
    broken = { error }
    coder.destroy()
  })
  try {
    yield* coder
    // It stops in the middle of its input if it takes a frame for complete before we do.
    if (coder.bytesWritten !== fed) throw malformed(undefined)
  } catch (error) {
    if (!broken) throw error instanceof Failure ? error : malformed(error)
  } finally {
    coder.destroy()
  }
  if (broken) throw broken.error
}

/** Settles when the coder has consumed the piece, whose memory may then be reused, or is gone. */
function consumed(coder: Coder, piece: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    coder.write(piece, () => resolve())
  })
}

function malformed(cause: unknown): Failure {
  return new Failure('invalid', 'the compressed bytes are damaged: they cannot be unpacked', { cause })
}

function wrongSize(sizeExpected: number): Failure {
  return new Failure('invalid', `the compressed bytes do not unpack to the ${sizeExpected} bytes that the digest names`)
}
