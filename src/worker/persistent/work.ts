import { join, posix } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { bytesOf, type DiskWatch, watchDisk } from '../limits/disk.ts'
import { findProgram } from '../program.ts'
import type { Run } from '../runner.ts'
import type { Sinks } from '../slot-process.ts'
import type { Reply } from './open-requests.ts'
import type { Plan } from './plan.ts'
import type { PooledTool } from './pooled-tool.ts'

import { filesOf } from './tools.ts'

export interface WorkOptions {
  readonly plan: Plan
  readonly pooled: PooledTool
  /** 0 for a tool that does one thing at a time. */
  readonly requestId: number
  /** The request's arguments: the contents of its flag files. */
  readonly args: readonly string[]
  /** The action's folder with its inputs, without the tool's. */
  readonly root: string
  readonly sinks: Sinks
  readonly clock: Clock
  readonly timeoutMs: number
  /** How long a tool that supports cancellation gets to answer a cancelled request. */
  readonly graceMs: number
  readonly signal: AbortSignal
}

/**
 * plainly: no process could be started, or its request not be made, so the command should run by itself and report why.
 * again: the process was lost through no fault of this action.
 */
export type Worked = { readonly run: Run; readonly usable: boolean } | 'plainly' | 'again'

const cancelGraceMsMax = 500
/** As in a shell: 128 plus the number of SIGKILL. */
const killedCode = 137
const timerMsMax = 2 ** 31 - 1

/**
 * Has a tool run an action. Its answer's text goes to standard error, as with Bazel; if it is a failure, what the tool
 * has logged meanwhile follows. If the tool exits, or its answer is invalid, the action fails with the reason and the
 * log; but if the tool has also served another action, before or at the same time, the action is run again by a new
 * tool of its own.
 * @throws Failure 'invalid' for endlessly nested flag files, 'unavailable' when the machine does not let a process
 *   start; as PooledTool does
 */
export async function work(options: WorkOptions): Promise<Worked> {
  const { plan, pooled, root, clock, requestId, args, sinks } = options
  const inputs = [...filesOf(plan.all)].map(({ path, digest }) => ({
    path: posix.relative(plan.working.join('/'), path),
    digest,
  }))
  const known = pooled.process
  // Another of its actions may have ended it, or the time-out of another.
  const isLost = () => known !== undefined && !known.usable
  if (isLost()) return 'again'
  const [name = ''] = plan.startup
  const program = known ? undefined : findProgram(name, plan.env, join(pooled.folder, ...plan.working))
  if (program && 'problem' in program) return 'plainly'
  const startedAt = clock.now()
  const { tool, seenRoot, sandboxDir } = await pooled.enter(root, program?.file ?? name, requestId)
  if (isLost()) return 'again'
  let outcome: Run['outcome'] = 'exited'
  let cancelKill: () => void = () => undefined
  const end = (why: Run['outcome']) => {
    if (outcome === 'exited') outcome = why
    void tool.end()
  }
  const cancelled = () => {
    if (!plan.cancellation) return end('killed')
    outcome = 'killed'
    tool.cancel(requestId)
    cancelKill = clock.after(Math.min(options.graceMs, cancelGraceMsMax), () => end('killed'))
  }
  const cancelTimer = clock.after(Math.min(options.timeoutMs, timerMsMax), () => end('timeout'))
  const { diskBytes } = plan.limits
  let diskFull = false
  let watchError: unknown
  let watch: DiskWatch | undefined
  let reply: Reply
  try {
    if (diskBytes !== undefined)
      watch = watchDisk({
        folders: tool.writable,
        // The tool is still idle.
        bytesMax: diskBytes + (await bytesOf(tool.writable)),
        clock,
        onFull() {
          diskFull = true
          void tool.end()
        },
        onError(error) {
          watchError = error
          void tool.end()
        },
      })
    const answering = tool.ask({ arguments: args, inputs, requestId, ...(sandboxDir !== undefined && { sandboxDir }) })
    options.signal.addEventListener('abort', cancelled, { once: true })
    if (options.signal.aborted) cancelled()
    reply = await answering
    if (watchError !== undefined) throw watchError
  } finally {
    cancelTimer()
    cancelKill()
    watch?.stop()
    options.signal.removeEventListener('abort', cancelled)
  }
  const endedAt = clock.now()
  const whole = await pooled.leave(root, requestId)
  const facts = { seenRoot, startedAt, endedAt, ...(reply.kind === 'ended' && { met: reply.ended.met }) }
  if (diskFull) {
    const met = { memoryKills: 0, pidsRefused: 0, diskFull }
    return { run: { outcome, exitCode: killedCode, ...facts, met }, usable: false }
  }
  if (outcome !== 'exited')
    return { run: { outcome, exitCode: killedCode, ...facts }, usable: whole && reply.kind === 'answered' }
  if (reply.kind === 'answered' && !reply.answer.wasCancelled) {
    const { exitCode, output } = reply.answer
    await sinks.stderr.write(Buffer.from(output))
    if (exitCode !== 0) await writeLog(sinks, reply.log, output)
    return { run: { outcome, exitCode, ...facts }, usable: whole }
  }
  if (reply.kind === 'ended') {
    if (reply.ended.kind === 'exited' && reply.ended.refusal !== undefined) return 'plainly'
    // It is unknown which of several requests ended it.
    if (pooled.takes > 1 || reply.innocent) return 'again'
  }
  const why = reply.kind === 'ended' ? reply.why : 'it says that the request was cancelled, but nobody has cancelled it'
  const text = `native worker: the persistent process of this action did not answer: ${why}\n`
  await sinks.stderr.write(Buffer.from(text))
  await writeLog(sinks, reply.log, text)
  const code = reply.kind === 'ended' && reply.ended.kind === 'exited' ? reply.ended.code : 0
  return { run: { outcome, exitCode: code === 0 ? 1 : code, ...facts }, usable: false }
}

async function writeLog({ stderr }: Sinks, log: Buffer, before: string): Promise<void> {
  if (log.length === 0) return
  const apart = before === '' || before.endsWith('\n') ? '' : '\n'
  await stderr.write(Buffer.from(`${apart}native worker: what the persistent process has logged meanwhile:\n`))
  await stderr.write(log)
}
