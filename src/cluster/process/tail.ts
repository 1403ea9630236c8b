import { open, stat } from 'node:fs/promises'
import { ifThere } from '../../host/files.ts'

/**
 * How much is read from the end of a file to find its last lines: a whole log that the supervisor is about to rotate.
 */
const tailBytesMax = 12 * 1024 * 1024

/** The last lines of a text file, oldest first; none when there is no file. */
export async function lastLines(path: string, lines: number): Promise<string[]> {
  if (lines <= 0) return []
  const end = await sizeOf(path)
  const start = Math.max(0, end - tailBytesMax)
  const { text } = await readFrom(path, start)
  const all = text.split('\n')
  // The end of a line whose beginning was not read.
  if (start > 0) all.shift()
  if (all.at(-1) === '') all.pop()
  return all.slice(-lines)
}

/**
 * The bytes of a file from a position on, at most 12 MiB, and the next position; a position past the end reads from the
 * start.
 */
export async function readFrom(path: string, from: number): Promise<{ text: string; next: number }> {
  const file = await ifThere(open(path))
  if (!file) return { text: '', next: 0 }
  try {
    const { size } = await file.stat()
    const start = from > size ? 0 : from
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size - start, tailBytesMax)), 0, null, start)
    return { text: buffer.toString('utf8', 0, bytesRead), next: start + bytesRead }
  } finally {
    await file.close()
  }
}

/** The size of a file; 0 when there is none. */
export async function sizeOf(path: string): Promise<number> {
  return (await ifThere(stat(path)))?.size ?? 0
}

/** What distinguishes a file from its successor of the same name; undefined when there is none. */
export async function inodeOf(path: string): Promise<number | undefined> {
  return (await ifThere(stat(path)))?.ino
}
