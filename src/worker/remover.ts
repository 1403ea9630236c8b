import { Worker } from 'node:worker_threads'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/failure.ts'
import type { Leftovers } from '../store/disk/leftovers.ts'
import type { Log } from '../telemetry/log.ts'
import { createRemovalBacklog } from './removal-backlog.ts'
import { removeEmptyFolder } from './work-folder.ts'

/** What the thread answers for each path. */
export interface Removed extends Leftovers {
  /** As it was given. */
  readonly path: string
}

/** What the thread is given when it starts. */
export interface RemoverFolders {
  /** The folder that actions' folders are in. */
  readonly work: string
  /** Where they are moved before they are removed; on the same file system, created on demand. */
  readonly outgoing: string
}

/** Removes what actions leave, in a thread, as each entry can take the file system milliseconds. */
export interface Remover {
  /** Folders that are still to be removed. */
  readonly waiting: number
  /** Folders with something in them that cannot be removed: the first few, and how many there are. */
  readonly left: readonly Removed[]
  readonly leftCount: number
  /** Begins within 50 ms. */
  remove(path: string): void
  /**
   * Settles when the backlog is within its limit: a new action waits for it, or a worker whose actions create more than
   * it can remove would fill the disk.
   * @returns false when that took too long
   */
  room(signal: AbortSignal): Promise<boolean>
  /** Settles when everything is removed, or after a few seconds: the next start removes the rest. */
  close(): Promise<void>
}

/** Folders are sent in batches: a message for each would cost more than many a removal. */
const messageMs = 50
const messagePathsMax = 16
const waitingMax = 64
const roomMsMax = 60_000
const closeMsMax = 5_000
/** How many left folders are remembered; beyond that only the count grows. */
const leftMax = 100
const heapMegabytesMax = 64
const main = new URL(`./remover-main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)

/** A remover whose thread starts with the first folder. */
export function createRemover(folders: RemoverFolders, clock: Clock, log: Log): Remover {
  const backlog = createRemovalBacklog(clock)
  const left: Removed[] = []
  let leftCount = 0
  let unsent: string[] = []
  let cancelSending: (() => void) | undefined
  let thread: Worker | undefined
  let closed = false

  function send(): void {
    cancelSending?.()
    cancelSending = undefined
    if (unsent.length > 0) threadNow().postMessage(unsent)
    unsent = []
  }

  function done(all: readonly Removed[]): void {
    for (const removed of all) {
      backlog.remove(removed.path)
      if (removed.count === 0) continue
      leftCount += 1
      if (left.length < leftMax) left.push(removed)
      const { path: folder, first, count } = removed
      log.warn('an action left files that cannot be removed', { folder, entries: count, first })
    }
    backlog.wake()
  }

  /** A thread only ends unexpectedly; the folder that it was removing is left to the next start. */
  function lost(reason: string): void {
    thread = undefined
    log.error('the thread that removes folders has ended', { reason })
    const [first, ...rest] = backlog.paths()
    if (first === undefined) return
    done([{ path: first, first: [{ path: first, code: reason }], count: 1 }])
    unsent = rest
    send()
  }

  function threadNow(): Worker {
    if (thread) return thread
    const fresh = new Worker(main, {
      env: {},
      workerData: folders,
      execArgv: ['--no-warnings'],
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytesMax, maxYoungGenerationSizeMb: 4 },
    })
    fresh.unref()
    fresh.on('message', done)
    let reason = 'exit'
    fresh.on('error', (error) => {
      reason = messageOf(error)
    })
    fresh.on('exit', () => {
      if (thread === fresh && !closed) lost(reason)
    })
    thread = fresh
    return fresh
  }

  return {
    left,
    get leftCount() {
      return leftCount
    },
    get waiting() {
      return backlog.size
    },
    remove(path) {
      backlog.add(path)
      unsent.push(path)
      if (unsent.length >= messagePathsMax) send()
      else cancelSending ??= clock.after(messageMs, send)
    },
    room: (signal) => backlog.untilAtMost(waitingMax - 1, roomMsMax, signal),
    async close() {
      send()
      thread?.ref()
      if (!(await backlog.untilAtMost(0, closeMsMax)))
        log.warn('folders of actions are left for the next start to remove', { folders: backlog.size })
      closed = true
      await thread?.terminate()
      // The next start removes what stays in it.
      removeEmptyFolder(folders.outgoing)
    },
  }
}
