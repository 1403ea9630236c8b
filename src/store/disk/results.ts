import type { Results } from '../results.ts'
import type { SegmentLog } from './segment-log.ts'
import type { Space } from './space.ts'

export interface DiskResultsOptions {
  readonly log: SegmentLog
  readonly space: Space
  close(): Promise<void>
}

/** Action results on disk: segments of their own; a newer value stands in a later record. */
export function createDiskResults({ log, space, close }: DiskResultsOptions): Results {
  return {
    get: (action) => log.get(action),
    locate: async (fn, hash) => log.locate(fn, hash),
    async put(action, value) {
      const bytes = log.cost(action, value.byteLength)
      if (!space.tryHold(bytes)) await space.hold(bytes)
      return log.append(action, [value])
    },
    delete: (action) => log.delete(action),
    close,
  }
}
