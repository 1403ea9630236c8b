import { messageOf } from '../../core/failure.ts'
import type { Channel } from '../../wire/rpc.ts'
import type { CallTarget } from '../../wire/tls/called.ts'
import { openFolder } from './folder.ts'
import { type CacheProgCounts, serveCacheProg } from './serve.ts'
import { beginUse } from './trim.ts'

export interface CacheProgRun {
  /** This machine's folder. */
  readonly root: string
  /** Its size limit. */
  readonly bytesMax: number
  /** Finds the cache. */
  readonly cache: () => Promise<CallTarget>
  /** Print statistics at the end? */
  readonly stats: boolean
}

/** Serves one go command over standard input and output, until it is done. */
export async function runCacheProg({ root, bytesMax, cache, stats }: CacheProgRun): Promise<void> {
  const say = (text: string) => process.stderr.write(`native cacheprog: ${text}\n`)
  const folder = openFolder(root)
  const use = await beginUse(root)
  let channel: Channel | undefined
  let addedBytes = 0
  try {
    const counts = await serveCacheProg({
      requests: process.stdin,
      answer: (line) => process.stdout.write(line),
      folder,
      async openRemote() {
        const { openReached } = await import('../reached.ts')
        const { createRemote } = await import('./remote.ts')
        channel = await openReached(await cache())
        return createRemote(channel)
      },
      warn: say,
    })
    addedBytes = counts.addedBytes
    if (stats) say(statsText(counts))
  } finally {
    channel?.close()
    // The go command waits for us to end, but its build is done.
    await use.end(bytesMax, addedBytes).catch((error: unknown) => say(`${root} is not tidied up: ${messageOf(error)}`))
  }
}

function statsText({ local, remote, misses, puts }: CacheProgCounts): string {
  return `${local} found on this machine, ${remote} found in the cluster's cache, ${misses} not found, ${puts} kept`
}
