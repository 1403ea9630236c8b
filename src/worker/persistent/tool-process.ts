import { Failure, messageOf } from '../../core/failure.ts'
import type { ProcessRequest } from '../command-file.ts'
import { foldersOf } from '../limits/disk.ts'
import type { Ended, Process } from '../slot-process.ts'
import type { Spawner } from '../spawner.ts'
import type { Protocol, Work, WorkAnswer } from './protocol.ts'
import { atRest, memoryOf, resumeAll, stopAll } from './stopping.ts'
import { createToolLog } from './tool-log.ts'

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

/** A process that stays for one action after the other, or serves several at once. */
export interface ToolProcess {
  /** Its folder's path as the tool sees it, and on this machine. */
  readonly seenRoot: string
  readonly folder: string
  readonly usable: boolean
  /** Where it may write, as paths on this machine. */
  readonly writable: readonly string[]
  /** Its resident memory in bytes. */
  memory(): number
  /** Waits until it has started and is itself waiting, where its processes can be found. */
  settle(): Promise<void>
  /** Sends a request; the process runs until that is answered. @throws Failure 'unavailable' when the slot was lost */
  ask(work: Work): Promise<Reply>
  /** Asks it to cancel a request, which it still has to answer. */
  cancel(requestId: number): void
  /** Runs `act` on its folder while none of its processes run. */
  quietly<T>(act: () => T | Promise<T>): Promise<T>
  /** Kills it. Settles when none of its processes run any more. */
  end(): Promise<void>
}

export interface ToolProcessOptions {
  readonly spawner: Spawner
  readonly request: ProcessRequest & { readonly root: string }
  readonly protocol: Protocol
}

interface Waiting {
  readonly logFrom: number
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

/**
 * Starts a tool. Between requests it is stopped (SIGSTOP), where its processes can all be found, as in a sandbox: so it
 * cannot change what is read or created in its folder meanwhile.
 * @throws Failure 'unavailable' when the machine does not let a process start
 */
export async function startTool({ spawner, request, protocol }: ToolProcessOptions): Promise<ToolProcess> {
  const log = createToolLog()
  const waiting = new Map<number, Waiting>()
  let broken: Failure | undefined
  let over = false
  let reason: string | undefined
  const breakOff = (error: unknown) => {
    broken ??= error as Failure
    process.kill()
  }
  const read = protocol.reader((answer) => {
    const waiter = waiting.get(answer.requestId)
    if (!waiter) {
      reason ??= `it answered request ${answer.requestId}, which was never made`
      process.kill()
      return
    }
    waiting.delete(answer.requestId)
    waiter.resolve({ kind: 'answered', answer, log: Buffer.from(log.since(waiter.logFrom)) })
  })
  const stdout = {
    small: undefined,
    write(piece: Uint8Array) {
      if (broken || over) return undefined
      try {
        read(piece)
      } catch (error) {
        breakOff(error)
      }
      return undefined
    },
  }
  const process: Process = await spawner.start({ ...request, interactive: true }, { stdout, stderr: log.sink })
  const { kind } = await spawner.way
  const canStop = kind === 'sandbox' || kind === 'namespace'

  const isInnocent = (ended: Ended) => ended.kind === 'killed' && !broken && reason === undefined
  const whyOf = (ended: Ended): string => {
    if (broken) return [messageOf(broken), broken.output].filter(Boolean).join(': ')
    if (reason !== undefined) return reason
    return ended.kind === 'exited' ? `it ended with exit code ${ended.code} before it answered` : 'it was killed'
  }
  let last: Ended | undefined
  const endedWith = (ended: Ended, logFrom: number): Reply => ({
    kind: 'ended',
    why: whyOf(ended),
    innocent: isInnocent(ended),
    ended,
    log: Buffer.from(log.since(logFrom)),
  })
  const settled = process.ended.then(
    (ended) => {
      over = true
      last = ended
      for (const [id, { logFrom, resolve }] of waiting) {
        waiting.delete(id)
        resolve(endedWith(ended, logFrom))
      }
    },
    (error: unknown) => {
      over = true
      for (const { reject } of waiting.values()) reject(error)
      waiting.clear()
    },
  )

  let holds = 0
  let isStopped = false
  let turn: Promise<void> = Promise.resolve()
  const adjust = (): Promise<void> => {
    turn = turn.then(async () => {
      const shouldStop = canStop && (holds > 0 || waiting.size === 0)
      if (over || shouldStop === isStopped) return
      isStopped = shouldStop
      if (shouldStop) await stopAll(process.shell, () => over)
      else resumeAll(process.shell)
    })
    // Those waiting for it get the failure; the next caller tries again.
    const done = turn
    turn = turn.catch(() => {
      isStopped = false
    })
    return done
  }

  return {
    seenRoot: process.root ?? request.root,
    get folder() {
      return over ? request.root : process.folder
    },
    writable: foldersOf(process),
    get usable() {
      return !over && !broken && reason === undefined
    },
    memory: () => (over ? 0 : memoryOf(process.shell)),
    async settle() {
      if (canStop) await atRest(process.shell, () => over)
    },
    async ask(work) {
      const { promise, resolve, reject } = Promise.withResolvers<Reply>()
      promise.catch(() => undefined)
      if (last) return endedWith(last, 0)
      if (over) throw new Failure('unavailable', 'the process of a persistent tool was lost')
      waiting.set(work.requestId, { logFrom: log.bytes, resolve, reject })
      process.write(protocol.encode(work))
      await adjust()
      return promise
    },
    cancel(requestId) {
      if (waiting.has(requestId)) process.write(protocol.encodeCancel(requestId))
    },
    async quietly(act) {
      holds += 1
      try {
        await adjust()
        return await act()
      } finally {
        holds -= 1
        await adjust()
      }
    },
    async end() {
      if (!over) process.kill()
      await settled
    },
  }
}
