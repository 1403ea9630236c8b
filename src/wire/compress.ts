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

/** Level 1: the network is near, so time counts for more than the last few per cent. */
const packing: ZstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }
/**
 * A frame may ask its reader for a window; 2^23 bytes is what RFC 8878 (section 3.1.1.1.2) tells
 * every decoder to support, and what keeps many streams at once in bounds.
 */
const unpacking: ZstdOptions = { chunkSize: chunkBytesMax, params: { [constants.ZSTD_d_windowLogMax]: 23 } }
/** Below this the way to another thread costs more than the work. */
const inlineBytesMax = 64 * 1024

const compressElsewhere = promisify<Uint8Array, ZstdOptions, Buffer>(zstdCompress)
const decompressElsewhere = promisify(zstdDecompress) as unknown as (
  bytes: Uint8Array,
  options: ZstdOptions,
) => Promise<Unpacked>

/** One zstd frame. */
export async function packZstd(bytes: Uint8Array): Promise<Buffer> {
  return bytes.byteLength <= inlineBytesMax ? zstdCompressSync(bytes, packing) : compressElsewhere(bytes, packing)
}

/**
 * The content of a zstd frame.
 * @param sizeExpected bytes that the content has to have; no more are ever brought into memory
 * @throws Failure 'invalid' when it is no zstd frame, is cut off, has more
 *   behind it, or has another size
 */
export async function unpackZstd(bytes: Uint8Array, sizeExpected: number): Promise<Buffer> {
  const content = await unpackBounded(bytes, sizeExpected)
  if (content.length !== sizeExpected) throw wrongSize(sizeExpected)
  return content
}

async function unpackBounded(bytes: Uint8Array, sizeMax: number): Promise<Buffer> {
  const options = {
    ...unpacking,
    // No larger than the content: most blobs are small, and each would take this much.
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
    throw errnoOf(error) === 'ERR_BUFFER_TOO_LARGE' ? wrongSize(sizeMax) : malformed(error)
  }
  if (unpacked.engine.bytesWritten !== bytes.byteLength) throw malformed(undefined)
  return unpacked.buffer
}

/** What zlib answers under `info`: the content, and how much of the input it used. */
interface Unpacked {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

/** Packs a stream into one zstd frame; holds no more than a few pieces at a time. */
export function packZstdStream(source: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  return through(source, createZstdCompress({ ...packing, chunkSize: chunkBytesMax }))
}

/**
 * Unpacks a stream that is one zstd frame; holds no more than a few pieces at a time. Reads the
 * source to its end. What the source throws comes through as it is.
 * @param sizeExpected bytes that the content has to have; the stream fails at the first beyond them
 * @throws Failure 'invalid' when it is no zstd frame, is cut off, has more
 *   behind it, or has another size
 */
export async function* unpackZstdStream(
  source: AsyncIterable<Uint8Array>,
  sizeExpected: number,
): AsyncIterable<Buffer> {
  let size = 0
  const coder = createZstdDecompress(unpacking)
  for await (const piece of through(source, coder)) {
    size += piece.length
    if (size > sizeExpected) throw wrongSize(sizeExpected)
    yield piece
  }
  // Node 22 takes nothing at all for a frame.
  if (coder.bytesWritten === 0) throw malformed(undefined)
  if (size !== sizeExpected) throw wrongSize(sizeExpected)
}

type Coder = ReturnType<typeof createZstdCompress> | ReturnType<typeof createZstdDecompress>

/** What comes out of a coder while the source is written into it, each side waiting for the other. */
async function* through(source: AsyncIterable<Uint8Array>, coder: Coder): AsyncIterable<Buffer> {
  let broken: { error: unknown } | undefined
  let fed = 0
  async function pump(): Promise<void> {
    for await (const piece of source) {
      if (coder.destroyed) return
      fed += piece.byteLength
      await consumed(coder, piece)
    }
    coder.end()
  }
  pump().catch((error: unknown) => {
    broken = { error }
    coder.destroy()
  })
  try {
    yield* coder
    // It stops at the end of a frame, whatever follows.
    if (coder.bytesWritten !== fed) throw malformed(undefined)
  } catch (error) {
    if (!broken) throw error instanceof Failure ? error : malformed(error)
  } finally {
    coder.destroy()
  }
  if (broken) throw broken.error
}

/** Settles when the coder has used the piece up, whose memory may be another's again, or is gone. */
function consumed(coder: Coder, piece: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    coder.write(piece, () => resolve())
  })
}

function malformed(cause: unknown): Failure {
  return new Failure('invalid', 'the compressed bytes are not one complete zstd frame', { cause })
}

function wrongSize(sizeExpected: number): Failure {
  return new Failure('invalid', `the compressed bytes do not unpack to the ${sizeExpected} bytes that were named`)
}
