import { Failure } from '../../../core/failure.ts'
import type { Step } from '../../driver.ts'
import { locked } from '../../shared/locked-steps.ts'
import type { ProcessContext } from '../context.ts'
import { removalSteps } from '../down.ts'
import { readMemory } from '../state.ts'
import { askSupervisor, supervisorStatusAt } from '../supervisor-client.ts'
import { untilSettled } from '../watch.ts'

/** In addition to the worker's own drain. */
const settleMsMargin = 10_000

/** Stops the worker for another machine's cluster, once its actions are done, and removes everything of it. */
export function leaveSteps(context: ProcessContext): Step[] {
  return locked(context, false, [drainStep(context), ...removalSteps(context, {})])
}

function drainStep(context: ProcessContext): Step {
  const { paths } = context
  return {
    title: 'Running actions',
    async run(report) {
      const memory = await readMemory(paths)
      if (!memory?.joined)
        throw new Failure(memory ? 'precondition' : 'not-found', notJoined(paths.name, memory !== undefined), {
          next: [
            memory
              ? 'It is a cluster on this machine: `native down` removes it.'
              : '`native join` makes this machine a worker of a cluster on another machine; --name says which one.',
          ],
        })
      const running = await supervisorStatusAt(paths)
      if (!running) return report.say('nothing runs')
      await askSupervisor(paths, { op: 'apply', servers: [] }, report.signal)
      report.say('those that do not end within 30 s are given back')
      const drains = running.servers.map(({ spec }) => spec.drainMs)
      await untilSettled(context, [], Math.max(0, ...drains) + settleMsMargin, report.signal)
      report.say(`the worker has left ${memory.joined.scheduler}`)
    },
  }
}

function notJoined(name: string, isThere: boolean): string {
  return isThere ? `"${name}" works for no other machine` : `this machine has joined nothing by the name "${name}"`
}
