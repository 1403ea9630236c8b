import { existsSync } from 'node:fs'
import { Failure } from '../../core/failure.ts'
import { sizeText } from '../../core/units.ts'
import { isThere, remove } from '../../host/files.ts'
import type { Step } from '../driver.ts'
import type { DownOptions } from '../options.ts'
import { locked } from '../shared/locked-steps.ts'
import { removeUnitStep, stopUnit } from './at-login/steps.ts'
import { loginUnit } from './at-login/unit.ts'
import type { ProcessContext } from './context.ts'
import { joinedFolder } from './joined/files.ts'
import { retireStep } from './joined/retire.ts'
import { dataSize, keepPorts } from './kept.ts'
import { killLeftovers, recordedProcesses, untilGone } from './leftovers.ts'
import { forgetLogin } from './login.ts'
import type { ClusterPaths } from './paths.ts'
import { readMemory } from './state.ts'
import { askSupervisor, supervisorStatusAt } from './supervisor-client.ts'
import { leftText, removeFolders } from './up.ts'

/** How long workers, then the scheduler, then the cache get to finish. */
const graceMs = 10_000
const stopMsMax = 3 * graceMs + 5_000

/** Stops the servers and removes everything that is left of the cluster. */
export function downSteps(context: ProcessContext, options: DownOptions): Step[] {
  return locked(context, false, removalSteps(context, options))
}

/** The same for a caller that has the cluster's lock. */
export function removalSteps(context: ProcessContext, { keepData = false }: DownOptions): Step[] {
  // Not mentioned where there is none, as for most.
  const atLogin = existsSync(loginUnit(context).path)
  const login = atLogin ? [removeUnitStep(context)] : []
  // First: a session that starts meanwhile must not bring up what is being removed. The token comes after the worker,
  // which uses it, and before its files.
  const token = existsSync(joinedFolder(context.paths)) ? [retireStep(context)] : []
  return [...login, processesStep(context, atLogin), ...token, foldersStep(context, keepData)]
}

function processesStep(context: ProcessContext, atLogin: boolean): Step {
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
      if (atLogin) await stopUnit(context, report.signal)
      const ended = processes.length - killed
      const killedText = killed > 0 ? `${killed} killed` : ''
      const endedText = ended > 0 ? `${ended} ended` : ''
      report.say([endedText, killedText].filter((each) => each !== '').join(', ') || 'nothing runs')
    },
  }
}

/** True when the supervisor agreed to stop; one that hangs or is of another release is killed. */
async function askToStop({ paths }: ProcessContext): Promise<boolean> {
  try {
    if (!(await supervisorStatusAt(paths))) return false
    await askSupervisor(paths, { op: 'stop', graceMs })
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
      const ports = keepData ? (await readMemory(paths).catch(() => undefined))?.ports : undefined
      if (ports) await keepPorts(paths, ports)
      await forgetLogin(context)
      await remove(paths.exchange)
      const left = await removeFolders(context, keepData)
      // Leftovers are not a failure: nothing is running, and `up` works again. Only this user cannot remove them.
      const removed = leftText(left, paths.data) || (there ? 'removed' : 'nothing was there')
      report.say(keepData && (await isThere(paths.data)) ? `${removed}; ${await keptText(paths)}` : removed)
    },
  }
}

async function keptText(paths: ClusterPaths): Promise<string> {
  const { bytes, more } = await dataSize(paths)
  return `kept ${more ? 'more than ' : ''}${sizeText(bytes)} in ${paths.data}, and the ports, for the next deploy`
}
