import { createWriteStream, fstatSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { errnoOf } from '../core/failure.ts'

/**
 * Runs work with a stream's content in a private temporary file: an action's inputs have to be known before it runs, so
 * standard input has to end first.
 */
export async function withStdinFile<T>(
  input: NodeJS.ReadableStream,
  signal: AbortSignal,
  work: (file: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'native-stdin-'))
  try {
    const file = join(folder, 'stdin')
    await pipeline(input, createWriteStream(file, { mode: 0o600 }), { signal })
    return await work(file)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Does standard input have something that the command may be expected to read: a pipe, a socket, a non-empty file? */
export function isFed(fd: number): boolean {
  try {
    const stats = fstatSync(fd)
    return stats.isFIFO() || stats.isSocket() || (stats.isFile() && stats.size > 0)
  } catch (error) {
    if (errnoOf(error) === 'EBADF') return false
    throw error
  }
}
