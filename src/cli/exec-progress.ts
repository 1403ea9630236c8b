import type { RunEvents } from '../client/run.ts'
import type { Clock } from '../core/clock.ts'
import { printable } from '../core/printable.ts'
import { showTransfer } from './transfer.ts'

/** A wait is reported once it exceeds this, and repeated from time to time. */
const waitToldMs = 5_000
const waitToldAgainMs = 30_000

/** What a user sees while a command runs remotely. */
export interface ExecProgress {
  readonly events: Required<Pick<RunEvents, 'onUploading' | 'onSent' | 'onDownloading' | 'onReceived' | 'onProgress'>>
  /** Removes what is drawn, before anything else is written. */
  clear(): void
  /** Stops showing progress. */
  end(): void
}

/**
 * Shows bytes being transferred up and down, and that an action waits for a worker: otherwise, a cluster whose workers
 * are all busy, or gone, looks like a program that hangs.
 * @param live may the line be redrawn?
 */
export function showExec(stream: NodeJS.WriteStream, clock: Clock, live: boolean): ExecProgress {
  const transfer = showTransfer(stream, clock, live)
  let stop: (() => void) | undefined
  let queuedAt: number | undefined
  let told = false
  const say = (text: string) => {
    transfer.clear()
    stream.write(`native: ${text}\n`)
  }
  const tell = () => {
    const seconds = Math.round((clock.now() - (queuedAt ?? clock.now())) / 1000)
    say(told ? `still waiting for a worker (${seconds} s)` : 'waiting for a worker: none is free yet; Ctrl-C cancels')
    told = true
    stop = clock.after(waitToldAgainMs, tell)
  }
  const end = () => {
    stop?.()
    stop = undefined
    transfer.clear()
  }
  return {
    events: {
      onUploading: (bytes) => transfer.plan('uploading', bytes),
      onSent: (bytes) => transfer.moved(bytes),
      onDownloading: (bytes) => transfer.plan('downloading', bytes),
      onReceived: (bytes) => transfer.moved(bytes),
      onProgress({ stage, worker }) {
        if (stage === 'queued') {
          if (stop) return
          // An action that is queued again because no worker came has waited all the time.
          queuedAt ??= clock.now()
          stop = clock.after(told ? waitToldAgainMs : waitToldMs, tell)
          return
        }
        stop?.()
        stop = undefined
        if (stage !== 'executing') return
        if (told) say(worker === '' ? 'a worker has taken it' : `running on ${printable(worker)}`)
        told = false
        queuedAt = undefined
      },
    },
    clear: () => transfer.clear(),
    end,
  }
}
