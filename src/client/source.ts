import { open } from 'node:fs/promises'
import type { Digest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { chunkBytesMax } from '../core/limits.ts'

/** A blob to send: its bytes, or the path of a file with them. */
export interface BlobSource {
  readonly digest: Digest
  readonly content: Uint8Array | string
}

/**
 * The blob's bytes from an offset on, in pieces of at most chunkBytesMax; the caller owns each piece.
 * @throws Failure 'invalid' when a file's size no longer matches the digest
 */
export async function* openSource(source: BlobSource, offset = 0): AsyncGenerator<Uint8Array> {
  if (typeof source.content === 'string') return yield* readFilePieces(source.content, source.digest.size, offset)
  for (let at = offset; at < source.content.byteLength; at += chunkBytesMax)
    yield source.content.subarray(at, at + chunkBytesMax)
}

/** The whole blob, for blobs that fit into a batch. */
export async function readSource(source: BlobSource): Promise<Uint8Array> {
  if (typeof source.content !== 'string') return source.content
  const whole = Buffer.allocUnsafe(source.digest.size)
  let at = 0
  for await (const piece of readFilePieces(source.content, source.digest.size, 0)) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}

async function* readFilePieces(path: string, size: number, offset: number): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r')
  try {
    let at = offset
    while (at < size) {
      const { bytesRead, buffer } = await file.read(
        Buffer.allocUnsafe(Math.min(chunkBytesMax, size - at)),
        0,
        undefined,
        at,
      )
      if (bytesRead === 0) throw changed(path)
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
    if ((await file.read(Buffer.allocUnsafe(1), 0, 1, size)).bytesRead > 0) throw changed(path)
  } finally {
    await file.close()
  }
}

function changed(path: string): Failure {
  return new Failure('invalid', 'the file was changed while it was being uploaded', {
    where: path,
    next: ['Run it again when nothing writes to the file.'],
  })
}
