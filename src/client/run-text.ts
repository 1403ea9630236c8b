import { countText } from '../core/count-text.ts'
import { lastLines } from '../core/last-lines.ts'
import type { RunningOutput, RunningText } from '../core/scheduler-view.ts'
import type { RunEvent } from './run-output.ts'

/** The latest output of an action, assembled from its events. */
export interface RunText {
  hear(event: RunEvent): void
  /** A new call begins, which numbers runs anew. What was received stays until a run begins. */
  restart(): void
  output(): RunningOutput
}

/** Bytes kept of each stream. */
const keptBytesMax = 32 * 1024

/** @param hash of the action's digest: a scheduler of an earlier release reports others, too */
export function createRunText(hash: string): RunText {
  let run: number | undefined
  let streams = { stdout: nothing, stderr: nothing }
  let isComplete = false
  let skipped = 0
  let broken = ''

  function whyUnheard(): string | undefined {
    if (broken !== '') return `The report of its run broke off: ${broken}.`
    if (run !== undefined || isComplete || skipped === 0) return undefined
    return `More actions run than the scheduler tells of at once: it leaves out ${countText(skipped, 'run')}, and this may be one of them.`
  }

  return {
    hear(event) {
      if (event.kind === 'flight') skipped = event.skipped
      else if (event.kind === 'begun') {
        if (!event.action.startsWith(`${hash}/`)) return
        run = event.run
        streams = { stdout: nothing, stderr: nothing }
        isComplete = false
        broken = ''
      } else if (event.run !== run) return
      else if (event.kind === 'output') streams = { ...streams, [event.stream]: longer(streams[event.stream], event) }
      else {
        run = undefined
        broken = event.broken
        isComplete = broken === ''
      }
    },
    restart() {
      run = undefined
      skipped = 0
    },
    output: () => ({ ...streams, isComplete, whyUnheard: whyUnheard() }),
  }
}

/** What is kept of a stream. */
interface Text extends RunningText {
  /** The next bytes continue a line that has been dropped. */
  readonly isTorn: boolean
}

const nothing: Text = { bytes: new Uint8Array(), before: 0, isTorn: false }

function longer(text: Text, { data, lost }: Extract<RunEvent, { kind: 'output' }>): Text {
  // What lies in between is gone, so the lines cannot be joined.
  const all = lost > 0 ? Buffer.from(data) : Buffer.concat([text.bytes, data])
  const gone = text.before + lost + (lost > 0 ? text.bytes.length : 0)
  const { bytes, left, isTorn } = lastLines(all, keptBytesMax, text.isTorn || lost > 0)
  return { bytes, before: gone + left, isTorn }
}
