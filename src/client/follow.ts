import { wait } from '../host/wait.ts'
import { bytestream, type re } from '../wire/proto.ts'
import { RpcError } from '../wire/rpc.ts'
import type { Context } from './context.ts'

export type OutputStream = 'stdout' | 'stderr'

/** Bytes of each stream that were passed on. */
export interface FollowedBytes {
  stdout: number
  stderr: number
}

export interface Follower {
  readonly bytes: FollowedBytes
  /** Begins to follow the streams that an update names; each only once. */
  readonly follow: (metadata: re.ExecuteOperationMetadata) => void
  /** Waits briefly for data in flight: the result holds all of it anyway. */
  finish(): Promise<void>
  stop(): void
}

const readMethod = 'google.bytestream.ByteStream/Read'
const graceMs = 1_000

/**
 * Follows what an action writes while it runs, by ByteStream.Read of the names in ExecuteOperationMetadata. Servers
 * need not support this; a stream that cannot be read or breaks is silently given up, since the result has the rest.
 */
export function createFollower(
  context: Context,
  onOutput: ((stream: OutputStream, bytes: Uint8Array) => void) | undefined,
): Follower {
  const bytes: FollowedBytes = { stdout: 0, stderr: 0 }
  const running = new Map<OutputStream, Promise<void>>()
  const stopped = new AbortController()

  const read = async (stream: OutputStream, resourceName: string): Promise<void> => {
    const request = bytestream.ReadRequest.encode({ resourceName }).finish()
    const call = { metadata: context.metadata, signal: stopped.signal }
    try {
      for await (const answer of context.channel.serverStream(readMethod, request, call)) {
        const { data } = bytestream.ReadResponse.decode(answer)
        if (data.byteLength === 0) continue
        bytes[stream] += data.byteLength
        onOutput?.(stream, data)
      }
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
    }
  }
  const begin = (stream: OutputStream, name: string | null | undefined) => {
    if (!name || running.has(stream) || !onOutput) return
    const reading = read(stream, name)
    // Its failure surfaces in finish(); until then it must not be an unhandled rejection.
    reading.catch(() => undefined)
    running.set(stream, reading)
  }
  return {
    bytes,
    follow(metadata) {
      begin('stdout', metadata.stdoutStreamName)
      begin('stderr', metadata.stderrStreamName)
    },
    async finish() {
      if (running.size === 0) return
      const over = new AbortController()
      const grace = wait(graceMs, context.retries.clock, over.signal).catch(() => undefined)
      await Promise.race([Promise.all(running.values()), grace])
      over.abort()
    },
    stop: () => stopped.abort(),
  }
}
