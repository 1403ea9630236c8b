import { randomBytes } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunRequest, runRemotely } from '../client/run.ts'
import { printable } from '../core/printable.ts'
import { readTrace } from '../explain/trace.ts'
import type { Channel } from '../wire/rpc.ts'

/** A typical action opens some thousand files; the rest of a longer trace is ignored. */
const traceBytesMax = 64 * 1024 * 1024
const shownMax = 50

/**
 * Runs a failed command again, traced by the worker's strace, and reports which paths it looked for in vain that exist
 * on this machine. The result is not cached.
 * @returns lines for people
 * @throws like runRemotely
 */
export async function explainMissing(cache: Channel, scheduler: Channel, request: RunRequest): Promise<string[]> {
  const trace = `.native-trace-${randomBytes(8).toString('hex')}`
  const folder = await mkdtemp(join(tmpdir(), 'native-trace-'))
  try {
    const strace = ['/usr/bin/strace', '-f', '-qq', '-s', '4096', '-e', 'trace=%file', '-o', trace, '--']
    const { outputs, error } = await runRemotely(cache, scheduler, {
      ...request,
      argv: [...strace, ...request.argv],
      outputPaths: [trace],
      outputFolder: folder,
      doNotCache: true,
    })
    if (!outputs?.paths.length)
      return [
        `what it looked for is unknown: ${error ? printable(error.message) : 'the worker has no strace in /usr/bin, or may not trace'}`,
      ]
    return told(lookedFor(await beginningOf(join(folder, trace)), isHere))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * The absolute paths that calls in a trace (`strace -f -e trace=%file`) did not find.
 * @param exists whether the path exists on this machine
 */
export function lookedFor(trace: string, exists: (path: string) => boolean): string[] {
  return readTrace(trace, '/build').absent.filter((path) => exists(path))
}

function told(paths: readonly string[]): string[] {
  if (paths.length === 0) return ['nothing that it looked for and did not find is on this machine']
  const lines = paths
    .slice(0, shownMax)
    .map((path) => `it looked for ${printable(path)}, which is on this machine and not an input`)
  return paths.length > shownMax ? [...lines, `and for ${paths.length - shownMax} more such paths`] : lines
}

/** Is something at this path of this machine? */
export function isHere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    // A component is not a folder, or cannot be entered by this user: then nothing was found here before either.
    return false
  }
}

async function beginningOf(file: string): Promise<string> {
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const bytes = Buffer.alloc(Math.min(size, traceBytesMax))
    const { bytesRead } = await handle.read(bytes, 0, bytes.byteLength, 0)
    return bytes.toString('latin1', 0, bytesRead)
  } finally {
    await handle.close()
  }
}
