import type { Ended } from '../slot-process.ts'
import type { WorkAnswer } from './protocol.ts'
import type { ToolLog } from './tool-log.ts'

/** How a request ended. */
export type Reply =
  | { readonly kind: 'answered'; readonly answer: WorkAnswer; readonly log: Buffer }
  /** The process ended first, or was ended because of what it wrote. */
  | {
      readonly kind: 'ended'
      readonly why: string
      /** It was killed through no fault of its own. */
      readonly innocent: boolean
      readonly ended: Ended
      readonly log: Buffer
    }

/** How a tool's process ended, for those who wait for its answers. */
export type ToolEnd = Pick<Extract<Reply, { kind: 'ended' }>, 'why' | 'innocent' | 'ended'>

/** The requests that a tool has not answered yet. */
export interface OpenRequests {
  readonly size: number
  has(requestId: number): boolean
  /** Adds a request. Settles with its reply. */
  open(requestId: number): Promise<Reply>
  /** @returns false when there is no such request */
  answer(answer: WorkAnswer): boolean
  /** The process has ended. */
  end(end: ToolEnd): void
  /** The slot was lost. */
  fail(error: unknown): void
}

/** @param log what the tool has written meanwhile goes with each reply */
export function createOpenRequests(log: ToolLog): OpenRequests {
  const open = new Map<number, PromiseWithResolvers<Reply> & { readonly logFrom: number }>()
  return {
    get size() {
      return open.size
    },
    has: (requestId) => open.has(requestId),
    open(requestId) {
      const { promise, resolve, reject } = Promise.withResolvers<Reply>()
      promise.catch(() => undefined)
      open.set(requestId, { promise, resolve, reject, logFrom: log.bytes })
      return promise
    },
    answer(answer) {
      const request = open.get(answer.requestId)
      if (!request) return false
      open.delete(answer.requestId)
      request.resolve({ kind: 'answered', answer, log: Buffer.from(log.since(request.logFrom)) })
      return true
    },
    end(end) {
      for (const [requestId, { logFrom, resolve }] of open) {
        open.delete(requestId)
        resolve({ kind: 'ended', ...end, log: Buffer.from(log.since(logFrom)) })
      }
    },
    fail(error) {
      for (const { reject } of open.values()) reject(error)
      open.clear()
    },
  }
}
