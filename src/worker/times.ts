import type { Clock } from '../core/clock.ts'
import type { re } from '../wire/proto.ts'
import { toTimestamp } from '../wire/time.ts'

type Name =
  | 'workerStart'
  | 'inputFetchStart'
  | 'inputFetchCompleted'
  | 'executionStart'
  | 'executionCompleted'
  | 'outputUploadStart'
  | 'outputUploadCompleted'
  | 'workerCompleted'

/** In chronological order. */
const names: readonly Name[] = [
  'workerStart',
  'inputFetchStart',
  'inputFetchCompleted',
  'executionStart',
  'executionCompleted',
  'outputUploadStart',
  'outputUploadCompleted',
  'workerCompleted',
]

/** When an action began and ended each of its phases. */
export interface Times {
  mark(name: Name): void
  /** @param ms since 1970, from the process that saw it */
  set(name: Name, ms: number): void
  /**
   * The metadata of the result (rule 42). Phases that were not reached get the time of the end, so that every field is
   * set on a failure too, and is never before the preceding one.
   */
  finish(): re.ExecutedActionMetadata.$Properties
}

/** Starts with the worker's start of the action. */
export function createTimes(clock: Clock, worker: string, queuedAt: number | undefined): Times {
  const at = new Map<Name, number>([['workerStart', clock.now()]])
  return {
    mark: (name) => void at.set(name, clock.now()),
    set: (name, ms) => void at.set(name, ms),
    finish() {
      at.set('workerCompleted', clock.now())
      const end = clock.now()
      let before = 0
      const metadata: re.ExecutedActionMetadata.$Properties = {
        worker,
        queuedTimestamp: toTimestamp(queuedAt ?? at.get('workerStart') ?? end),
      }
      for (const name of names) {
        before = Math.max(before, at.get(name) ?? end)
        metadata[`${name}Timestamp`] = toTimestamp(before)
      }
      return metadata
    },
  }
}
