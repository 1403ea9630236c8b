import { type Digest, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import type { Blobs } from '../store/blobs.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import { assertBlobSize, assertCallCount, type Room, requestDigest } from './room.ts'

/**
 * ContentAddressableStorage.SpliceBlob: stores a blob that is made of others, one after the
 * other (rule 45). An absent chunk is NOT_FOUND; chunks that do not make the blob are
 * INVALID_ARGUMENT. The blob is streamed, whatever its size.
 */
export async function spliceBlob(room: Room, bytes: Buffer): Promise<Uint8Array> {
  const request = decodeMessage(re.SpliceBlobRequest, bytes)
  assertInstance(request.instanceName, room.instances)
  const blob = requestDigest(request.blobDigest, request.digestFunction, 'blob_digest')
  assertBlobSize(blob, room.blobSizeMax)
  assertCallCount(request.chunkDigests.length)
  const chunks = request.chunkDigests.map((each) => requestDigest(each, request.digestFunction, 'chunk_digests'))
  const total = chunks.reduce((sum, each) => sum + each.size, 0)
  if (total !== blob.size)
    throw new Failure('invalid', `the chunks have ${total} bytes together, the blob ${blob.size}`, { where: blob.hash })
  if ((await room.blobs.findMissing([blob])).length > 0) await splice(room.blobs, blob, chunks)
  return re.SpliceBlobResponse.encode({ blobDigest: { hash: blob.hash, sizeBytes: blob.size } }).finish()
}

async function splice(blobs: Blobs, blob: Digest, chunks: readonly Digest[]): Promise<void> {
  const [missing] = await blobs.findMissing(chunks)
  if (missing) throw absent(missing)
  const writer = await blobs.write(blob)
  try {
    for (const chunk of chunks) {
      const pieces = await blobs.read(chunk)
      if (!pieces) throw absent(chunk)
      for await (const piece of pieces) await writer.write(piece)
    }
    await writer.commit()
  } catch (error) {
    await writer.abort()
    throw error
  }
}

function absent(chunk: Digest): Failure {
  return new Failure('not-found', 'there is no such chunk', { where: digestText(chunk) })
}
