import { randomUUID } from 'node:crypto'
import { digestText } from '../core/digest.ts'
import { packZstdStream } from '../wire/compress.ts'
import { bytestream } from '../wire/proto.ts'
import { writeName } from '../wire/resource.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { type Context, callOptions } from './context.ts'
import { withRetries } from './retry.ts'
import { type BlobSource, openSource } from './source.ts'

const writeMethod = 'google.bytestream.ByteStream/Write'
const queryMethod = 'google.bytestream.ByteStream/QueryWriteStatus'

/**
 * Sends one blob as a stream. After a transient failure it resumes at the server's committed size (QueryWriteStatus); a
 * compressed stream starts over, since servers disagree on what its offsets count.
 */
export async function writeBlob(context: Context, source: BlobSource, signal?: AbortSignal): Promise<void> {
  let uuid = randomUUID()
  await withRetries(context.retries, signal, async (failures) => {
    if (context.zstd && failures > 0) uuid = randomUUID()
    const name = writeName({
      instance: context.instance,
      uuid,
      digest: source.digest,
      compressor: context.zstd ? 'zstd' : 'identity',
    })
    const offset = failures > 0 && !context.zstd ? await committed(context, name, source.digest.size, signal) : 0
    if (offset < source.digest.size || source.digest.size === 0) await writeFrom(context, source, name, offset, signal)
  })
}

/** How much the server has; 0 if it cannot say (rule 11). */
async function committed(
  context: Context,
  name: string,
  size: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  try {
    const request = bytestream.QueryWriteStatusRequest.encode({ resourceName: name }).finish()
    const answer = await context.channel.unary(queryMethod, request, callOptions(context, signal))
    const status = bytestream.QueryWriteStatusResponse.decode(answer)
    const bytes = status.complete ? size : (status.committedSize ?? 0)
    return Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= size ? bytes : 0
  } catch (error) {
    if (error instanceof RpcError && (error.code === Code.UNIMPLEMENTED || error.code === Code.NOT_FOUND)) return 0
    throw error
  }
}

async function writeFrom(
  context: Context,
  source: BlobSource,
  name: string,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { size } = source.digest
  // A local error must not be taken for the server's answer.
  let own: { readonly error: unknown } | undefined
  const requests = async function* () {
    try {
      yield* writeRequests(source, name, offset, context)
    } catch (error) {
      own = { error }
      throw error
    }
  }
  try {
    const answer = await context.channel.clientStream(writeMethod, requests(), callOptions(context, signal, size))
    const got = bytestream.WriteResponse.decode(answer).committedSize ?? 0
    // With compression, a server may count compressed bytes or say -1 (rules 7 and 8).
    if (!context.zstd && got !== size)
      throw new RpcError(Code.INTERNAL, `uploading ${digestText(source.digest)}: the server took ${got} bytes of it`)
  } catch (error) {
    if (own) throw own.error
    throw error
  }
}

async function* writeRequests(
  source: BlobSource,
  name: string,
  offset: number,
  { zstd, onSent }: Context,
): AsyncGenerator<Uint8Array> {
  const plain = openSource(source, offset)
  let at = offset
  for await (const data of zstd ? packZstdStream(plain) : plain) {
    const last = !zstd && at + data.byteLength === source.digest.size
    yield bytestream.WriteRequest.encode({
      // Required on the first message only (rule 6).
      ...(at === offset && { resourceName: name }),
      writeOffset: at,
      data,
      finishWrite: last,
    }).finish()
    at += data.byteLength
    onSent?.(data.byteLength)
  }
  const nothingSent = at === offset
  if (zstd || nothingSent)
    yield bytestream.WriteRequest.encode({
      ...(nothingSent && { resourceName: name }),
      writeOffset: at,
      finishWrite: true,
    }).finish()
}
