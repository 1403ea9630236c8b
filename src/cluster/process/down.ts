import { Failure } from '../../core/failure.ts'
import type { DownOptions, Step } from '../driver.ts'
import type { ProcessContext } from './context.ts'
import { isThere } from './files.ts'
import { killLeftovers, recordedProcesses, untilGone } from './leftovers.ts'
import { locked } from './locked.ts'
import { askSupervisor, supervisorStatusAt } from './supervisor.ts'
import { removeFolders } from './up.ts'

/** What workers, then the scheduler, then the cache get to end what they are at. */
const graceMs = 10_000
const stopMsMax = 3 * graceMs + 5_000

/** Ends the servers and removes all that is left of the cluster. */
export function downSteps(context: ProcessContext, { keepData }: DownOptions): Step[] {
  return locked(context, false, [processesStep(context), foldersStep(context, keepData)])
}

function processesStep(context: ProcessContext): Step {
  return {
    title: 'Servers and supervisor',
    async run(report) {
      const asked = await askToStop(context)
      const processes = await recordedProcesses(context)
      if (asked)
        await untilGone(processes, stopMsMax, context, report.signal).catch((error: unknown) => {
          if (!(error instanceof Failure && error.kind === 'deadline')) throw error
        })
      const killed = await killLeftovers(context, report.signal)
      const ended = processes.length - killed
      const killedText = killed > 0 ? `${killed} killed` : ''
      const endedText = ended > 0 ? `${ended} ended` : ''
      report.say([endedText, killedText].filter((each) => each !== '').join(', ') || 'nothing runs')
    },
  }
}

/** True when a supervisor said that it ends; one that hangs or is of another release is killed. */
async function askToStop({ paths }: ProcessContext): Promise<boolean> {
  try {
    if (!(await supervisorStatusAt(paths.socket))) return false
    await askSupervisor(paths.socket, { op: 'stop', graceMs })
    return true
  } catch (error) {
    if (error instanceof Failure && error.kind === 'unavailable') return false
    throw error
  }
}

function foldersStep(context: ProcessContext, keepData: boolean): Step {
  const { paths } = context
  return {
    title: keepData ? 'State and logs' : 'Data, state and logs',
    async run(report) {
      const there = (await isThere(paths.state)) || (!keepData && (await isThere(paths.data)))
      await removeFolders(context, keepData)
      report.say(there ? 'removed' : 'nothing was there')
    },
  }
}
