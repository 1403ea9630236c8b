import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { errnoOf } from '../../core/failure.ts'
import { inSlices } from '../../host/time-slice.ts'

/** Watches how much an action writes. */
export interface DiskWatch {
  stop(): void
}

/** A process that runs, as slot.ts has it. */
interface Place {
  readonly folder: string
  readonly shell: number
  readonly root: string | undefined
}

const everyMs = 500
const blockBytes = 512

export interface DiskWatchOptions {
  /** Paths on the machine; a missing one counts as empty. */
  readonly folders: readonly string[]
  /** Their maximum size: what was in there before plus what the action may write. */
  readonly bytesMax: number
  readonly clock: Clock
  /** Called once, when it is exceeded. */
  readonly onFull: () => void
  /** Called with a system error, which ends the watch. */
  readonly onError: (error: unknown) => void
}

/**
 * Checks twice a second, while the action runs, whether its folders have grown by more than they may. Files that come
 * and go in between are not seen, nor are unlinked files that are still open.
 */
export function watchDisk({ folders, bytesMax, clock, onFull, onError }: DiskWatchOptions): DiskWatch {
  let stopped = false
  let cancel: () => void = () => undefined
  const look = async (): Promise<void> => {
    const bytes = await bytesOf(folders)
    if (stopped) return
    if (bytes > bytesMax) onFull()
    else lookLater()
  }
  const lookLater = () => {
    cancel = clock.after(everyMs, () => void look().catch(onError))
  }
  lookLater()
  return {
    stop() {
      stopped = true
      cancel()
    },
  }
}

/** Where a process may write: its own folder, and those that a sandbox adds. */
export function foldersOf({ folder, shell, root }: Place): string[] {
  const isSandboxed = root !== undefined && root !== folder
  return [folder, ...(isSandboxed ? ['/tmp', '/dev/shm'].map((path) => `/proc/${shell}/root${path}`) : [])]
}

/** The folders' size on disk. */
export async function bytesOf(folders: readonly string[]): Promise<number> {
  const sum = { bytes: 0 }
  for (const folder of folders) await inSlices(add(folder, sum))
  return sum.bytes
}

/** Entries may disappear or change during the walk. */
function* add(folder: string, sum: { bytes: number }): Generator<void> {
  const ahead = [folder]
  for (let path = ahead.pop(); path !== undefined; path = ahead.pop()) {
    for (const name of orGone(() => readdirSync(path), [])) {
      yield
      const stats = orGone(() => lstatSync(join(path, name), { throwIfNoEntry: false }), undefined)
      sum.bytes += (stats?.blocks ?? 0) * blockBytes
      if (stats?.isDirectory()) ahead.push(join(path, name))
    }
  }
}

function orGone<T>(look: () => T, gone: T): T {
  try {
    return look()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return gone
  }
}
