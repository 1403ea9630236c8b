import { open, unlink } from 'node:fs/promises'
import type { Digest } from '../core/digest.ts'
import { ifThere } from '../host/files.ts'
import type { Context } from './context.ts'
import { readStream } from './read.ts'

/**
 * Writes a blob to a new file. If this resolves, the bytes are verified; otherwise no file is left.
 * @param mode permission bits, before the process's umask
 * @param onBytes hears of bytes as they are written
 * @throws Failure 'not-found' or 'corrupt'; a system error, EEXIST among them
 */
export async function downloadFile(
  context: Context,
  digest: Digest,
  path: string,
  mode: number,
  signal?: AbortSignal,
  onBytes?: (bytes: number) => void,
): Promise<void> {
  const file = await open(path, 'wx', mode)
  try {
    for await (const piece of readStream(context, digest, signal)) {
      await writeAll(file, piece)
      onBytes?.(piece.byteLength)
    }
  } catch (error) {
    await ifThere(unlink(path))
    throw error
  } finally {
    await file.close()
  }
}

async function writeAll(file: Awaited<ReturnType<typeof open>>, piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.byteLength; ) at += (await file.write(piece, at, piece.byteLength - at)).bytesWritten
}
