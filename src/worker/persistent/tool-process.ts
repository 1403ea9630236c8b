import { Failure, messageOf } from '../../core/failure.ts'
import type { ProcessRequest } from '../command-file.ts'
import { foldersOf } from '../limits/disk.ts'
import type { Ended, Process } from '../slot-process.ts'
import type { Spawner } from '../spawner.ts'
import { createOpenRequests, type Reply, type ToolEnd } from './open-requests.ts'
import { createPausing } from './pausing.ts'
import type { Protocol, Work } from './protocol.ts'
import { atRest, memoryOf, resumeAll, stopAll } from './stopping.ts'
import { createToolLog } from './tool-log.ts'

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

/**
 * Starts a tool. Between requests it is stopped (SIGSTOP), where its processes can all be found, as in a sandbox: so it
 * cannot change what is read or created in its folder meanwhile.
 * @throws Failure 'unavailable' when the machine does not let a process start
 */
export async function startTool({ spawner, request, protocol }: ToolProcessOptions): Promise<ToolProcess> {
  const log = createToolLog()
  const requests = createOpenRequests(log)
  let broken: Failure | undefined
  let over = false
  let reason: string | undefined
  let last: ToolEnd | undefined
  const read = protocol.reader((answer) => {
    if (requests.answer(answer)) return
    reason ??= `it answered request ${answer.requestId}, which was never made`
    process.kill()
  })
  const stdout = {
    small: undefined,
    write(piece: Uint8Array) {
      if (broken || over) return undefined
      try {
        read(piece)
      } catch (error) {
        broken ??= error as Failure
        process.kill()
      }
      return undefined
    },
  }
  const process: Process = await spawner.start({ ...request, interactive: true }, { stdout, stderr: log.sink })
  const { kind } = await spawner.way
  const canStop = kind === 'sandbox' || kind === 'namespace'

  const whyOf = (ended: Ended): string => {
    if (broken) return [messageOf(broken), broken.output].filter(Boolean).join(': ')
    if (reason !== undefined) return reason
    return ended.kind === 'exited' ? `it ended with exit code ${ended.code} before it answered` : 'it was killed'
  }
  const settled = process.ended.then(
    (ended) => {
      over = true
      last = { why: whyOf(ended), innocent: ended.kind === 'killed' && !broken && reason === undefined, ended }
      requests.end(last)
    },
    (error: unknown) => {
      over = true
      requests.fail(error)
    },
  )
  const isOver = () => over
  const pausing = createPausing(
    {
      busy: () => requests.size > 0,
      over: isOver,
      stop: () => stopAll(process.shell, isOver),
      resume: () => resumeAll(process.shell),
    },
    canStop,
  )

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
      if (canStop) await atRest(process.shell, isOver)
    },
    async ask(work) {
      if (last) return { kind: 'ended', ...last, log: Buffer.from(log.since(0)) }
      if (over) throw new Failure('unavailable', 'the process of a persistent tool was lost')
      const reply = requests.open(work.requestId)
      process.write(protocol.encode(work))
      await pausing.adjust()
      return reply
    },
    cancel(requestId) {
      if (requests.has(requestId)) process.write(protocol.encodeCancel(requestId))
    },
    quietly: pausing.quietly,
    async end() {
      if (!over) process.kill()
      await settled
    },
  }
}
