import { Failure } from '../core/failure.ts'
import type { Holder } from '../store/pins.ts'
import { unpackZstdStream } from '../wire/compress.ts'
import { decodeMessage } from '../wire/decode.ts'
import type { WriteName } from '../wire/resource.ts'
import { retryLater } from '../wire/status.ts'
import { type WriteRequest, writeRequest } from './codec-stream.ts'
import type { CacheContext } from './context.ts'
import type { Upload } from './uploads.ts'

/** Compressed uploads in several messages, at once: a decompressor may need 8 MiB or more. */
const decompressorsMax = 128
/** After this many milliseconds, a client that was refused may try again. */
const retryMs = 1_000

/** An upload's stream, its first message read already. */
export interface WriteStream {
  readonly name: WriteName
  readonly first: WriteRequest
  readonly messages: AsyncIterator<Buffer>
  /** What its client says about itself (client/recorder.ts). */
  readonly metadata: string | undefined
  /** For whom it is kept. */
  readonly holder: Holder | undefined
}

/** What is known of the stream while it is read. */
interface Progress {
  /** Where the next message has to begin: the first write_offset plus all bytes since, as they came. */
  offset: number
  /** How it ended: with finish_write, without it, or not at all because the connection broke. */
  outcome: 'open' | 'finished' | 'unfinished' | 'broken'
}

/**
 * Brings a stream of messages into an upload.
 * - Ends with finish_write: the blob is checked and stored, or refused and forgotten (rule 6).
 * - Ends without, or breaks: what came is kept, to be resumed.
 * @returns committed_size: where the stream ended. For a compressed one that is its first
 *   write_offset, which counts uncompressed bytes, plus the compressed bytes since: the sum
 *   that the API prescribes for write_offset, and that Bazel compares with (rules 8 and 9)
 * @throws Failure 'invalid' for a wrong offset, name, hash or size
 */
export async function streamed(context: CacheContext, upload: Upload, stream: WriteStream): Promise<number> {
  const progress: Progress = { offset: stream.first.writeOffset, outcome: 'open' }
  try {
    if (stream.name.compressor === 'identity') await taken(context, upload, stream, progress)
    else
      for await (const piece of inTurn(context, () => unpacked(pieces(context, stream, progress), stream, progress)))
        await upload.write(piece)
    if (progress.outcome === 'finished') await upload.commit()
    else upload.park()
    if (progress.outcome === 'finished') stream.holder?.take(stream.name.digest)
    return progress.offset
  } catch (error) {
    if (progress.outcome === 'broken') upload.park()
    else await upload.drop()
    throw error
  }
}

/** Brings the data of each message into the upload. A generator would cost several promises for each. */
async function taken(context: CacheContext, upload: Upload, stream: WriteStream, progress: Progress): Promise<void> {
  for (
    let message: WriteRequest | undefined = stream.first;
    message;
    message = await nextMessage(stream.messages, progress)
  ) {
    const data = dataOf(message, context, stream, progress)
    const writing = data.length > 0 ? upload.write(data) : undefined
    if (writing) await writing
    if (message.finishWrite) return
  }
  progress.outcome = 'unfinished'
}

/** The data of each message, until finish_write or the end of the stream. */
async function* pieces(context: CacheContext, stream: WriteStream, progress: Progress): AsyncGenerator<Buffer> {
  for (
    let message: WriteRequest | undefined = stream.first;
    message;
    message = await nextMessage(stream.messages, progress)
  ) {
    const data = dataOf(message, context, stream, progress)
    if (data.length > 0) yield data
    if (message.finishWrite) return
  }
  progress.outcome = 'unfinished'
}

/** What a message brings, checked and counted. */
function dataOf(message: WriteRequest, context: CacheContext, stream: WriteStream, progress: Progress): Buffer {
  const { data, finishWrite } = message
  checkMessage(message, stream.first.resourceName, progress.offset)
  progress.offset += data.length
  context.counts.received(data.length)
  context.recorder?.traffic(stream.metadata, data.length, 0)
  if (finishWrite) progress.outcome = 'finished'
  return data
}

async function nextMessage(messages: AsyncIterator<Buffer>, progress: Progress): Promise<WriteRequest | undefined> {
  let result: IteratorResult<Buffer>
  try {
    result = await messages.next()
  } catch (error) {
    progress.outcome = 'broken'
    throw error
  }
  return result.done ? undefined : decodeMessage(writeRequest, result.value)
}

function checkMessage({ resourceName, writeOffset }: WriteRequest, name: string, offset: number): void {
  if (resourceName !== '' && resourceName !== name)
    throw new Failure('invalid', 'the resource name changed within the upload', { where: resourceName.slice(0, 256) })
  if (writeOffset !== offset)
    throw new Failure('invalid', `write_offset is ${writeOffset}, but ${offset} was expected`, { where: name })
}

/**
 * Counts a decompressor for as long as its content is read.
 * @throws RpcError UNAVAILABLE with RetryInfo when there are too many
 */
export async function* inTurn(context: CacheContext, content: () => AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (context.decompressors >= decompressorsMax)
    throw retryLater(`${decompressorsMax} compressed uploads are in progress`, retryMs)
  context.decompressors += 1
  try {
    yield* content()
  } finally {
    context.decompressors -= 1
  }
}

/** Thrown into the decompressor to end it quietly when the stream ends in the middle of a frame. */
class EndedEarly extends Error {}

/**
 * The content of a compressed stream. A resumed one is a frame of its own that holds the rest
 * of the blob. It never unpacks to more than the digest says: a zstd bomb fails there.
 */
async function* unpacked(
  data: AsyncIterable<Buffer>,
  { name, first }: WriteStream,
  progress: Progress,
): AsyncGenerator<Buffer> {
  async function* source(): AsyncGenerator<Buffer> {
    yield* data
    if (progress.outcome !== 'finished') throw new EndedEarly('the stream ended without finish_write')
  }
  try {
    yield* unpackZstdStream(source(), name.digest.size - first.writeOffset)
  } catch (error) {
    if (!(error instanceof EndedEarly)) throw error
  }
}
