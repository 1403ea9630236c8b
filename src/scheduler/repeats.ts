import type { re } from '../wire/proto.ts'
import { Code } from '../wire/rpc.ts'
import type { SchedulerContext } from './context.ts'
import { matches } from './match.ts'
import { withoutInlined } from './response.ts'
import { differingOutputs } from './result-differences.ts'
import { repeatOf, type Task, taskFields, type Worker } from './task.ts'
import type { Tasks } from './tasks.ts'

/**
 * How a repeat ended: with the same outputs as the first run, with different ones, or, for one of the given reasons,
 * without an answer.
 */
export type RepeatOutcome = 'same' | 'different' | 'gave-way' | 'failed' | 'dropped'

/**
 * Runs some actions a second time, on another worker, and compares the results. Clients never wait for it: they already
 * have their answer, and a repeat only takes a slot that nothing waits for and gives it up when something does.
 */
export interface Repeats {
  /** A task has ended with this response; it may be run again. */
  consider(task: Task, worker: string, response: re.ExecuteResponse.$Properties, workers: Iterable<Worker>): void
  /** Starts waiting repeats where slots are free. */
  begin(): void
  /** A client's action is queued: a repeat that occupies a slot it could use gives that up. */
  giveWay(task: Task): void
  /** The repeat's worker has answered. */
  finished(task: Task, worker: string, response: re.ExecuteResponse.$Properties): void
  /** The repeat's worker was lost. */
  lost(task: Task): void
  /** Ends all repeats, and starts no more. */
  close(): void
}

/** The most that wait: each holds an action and a result of a few kilobytes. */
const waitingMax = 32
const waitMsMax = 60_000
const pathsLogged = 5

/** The run that is repeated. */
interface First {
  readonly task: Task
  readonly worker: string
  readonly result: re.ActionResult.$Properties
  readonly at: number
}

/**
 * @param share the share of successful actions that is repeated, from 0 to 1
 * @param random like Math.random
 */
export function createRepeats(context: SchedulerContext, tasks: Tasks, share: number, random: () => number): Repeats {
  const { clock, log, meters } = context
  const waiting = new Set<First>()
  /** By the task of the second run. */
  const running = new Map<Task, First>()
  let [isOver, isAloneTold] = [share <= 0, false]

  function end(task: Task, outcome: RepeatOutcome): void {
    running.delete(task)
    meters.repeated(outcome)
  }

  function tellAlone(): void {
    if (isAloneTold) return
    isAloneTold = true
    log.info('actions are not repeated, since only one worker could run them')
  }

  function compare({ task, worker, result }: First, other: string, second: re.ActionResult.$Properties): RepeatOutcome {
    const paths = differingOutputs(result, second)
    const isSame = paths.length === 0 && (second.exitCode ?? 0) === (result.exitCode ?? 0)
    if (!isSame)
      log.warn('action is not repeatable', {
        ...taskFields(task),
        workers: [worker, other],
        outputs: paths.slice(0, pathsLogged),
        differing: paths.length,
        ...((second.exitCode ?? 0) !== 0 && { exitCode: second.exitCode }),
      })
    const caller = { metadata: task.client.metadata, instance: task.instance }
    context.recorder?.repeat(caller, task.digest, { isSame, first: result, second: withoutInlined(second) })
    return isSame ? 'same' : 'different'
  }

  /** No client is told about this run; the worker's slot is already counted. */
  function start(first: First, worker: Worker): void {
    const task = repeatOf(first.task, clock.now())
    tasks.attempts.give(task, worker)
    running.set(task, first)
  }

  /** The slot stays taken until the worker releases it. */
  function breakOff(task: Task, reason: string): void {
    end(task, 'gave-way')
    tasks.attempts.callOff(task, reason)
    tasks.attempts.end(task)
  }

  function begin(): void {
    for (const first of waiting) {
      const { platform } = first.task
      const worker = tasks.dispatch.claim(platform, ({ name, resting }) => name !== first.worker && !resting)
      const isLate = clock.now() - first.at > waitMsMax
      if (!worker && !isLate) continue
      waiting.delete(first)
      if (worker) start(first, worker)
      else meters.repeated('dropped')
    }
  }

  return {
    consider(task, worker, { result, status }, workers) {
      if (isOver || !result || (status?.code ?? Code.OK) !== Code.OK || (result.exitCode ?? 0) !== 0) return
      if (task.action.doNotCache || random() >= share) return
      const able = [...workers].filter((each) => !each.leaving && matches(task.platform, each.offer))
      if (!able.some(({ name }) => name !== worker)) return tellAlone()
      if (waiting.size >= waitingMax) return meters.repeated('dropped')
      waiting.add({ task, worker, result: withoutInlined(result), at: clock.now() })
      begin()
    },
    begin,
    giveWay({ platform }) {
      for (const task of running.keys()) {
        const worker = task.attempt?.lease.worker
        if (!worker || !matches(platform, worker.offer)) continue
        breakOff(task, 'a client waits for its slot')
        return
      }
    },
    finished(task, worker, { result, status }) {
      const first = running.get(task)
      if (!first) return
      const isAnswer = result && (status?.code ?? Code.OK) === Code.OK
      end(task, isAnswer ? compare(first, worker, result) : 'failed')
    },
    lost(task) {
      end(task, 'failed')
      tasks.attempts.end(task)
    },
    close() {
      isOver = true
      waiting.clear()
      for (const task of [...running.keys()]) breakOff(task, 'the scheduler is shutting down')
    },
  }
}
