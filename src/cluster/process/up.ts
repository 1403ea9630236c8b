import type { Step, StepReport, UpOptions } from '../driver.ts'
import type { ProcessContext } from './context.ts'
import { isThere, privateFolder, remove, removeEmpty } from './files.ts'
import { killLeftovers } from './leftovers.ts'
import { takeLock } from './lock.ts'
import { locked } from './locked.ts'
import { choosePorts, type Moved } from './ports.ts'
import { portUses } from './render.ts'
import { startSupervisor } from './start.ts'
import { portsOfOthers, readMemory, writeMemory } from './state.ts'
import { askSupervisor, supervisorStatusAt } from './supervisor.ts'
import { serverNoun } from './words.ts'

/** Brings the cluster up: folders, ports, a supervisor. */
export function upSteps(context: ProcessContext, { retain }: UpOptions): Step[] {
  return locked(context, retain, bringUp(context))
}

/** The same without the lock, for a caller that has it. */
export function bringUp(context: ProcessContext): Step[] {
  return [foldersStep(context), portsStep(context), supervisorStep(context)]
}

function foldersStep(context: ProcessContext): Step {
  const { paths, surroundings } = context
  let made = false
  let keepData = false
  return {
    title: `Folders of cluster "${paths.name}"`,
    async run(report) {
      made = (await readMemory(paths)) === undefined
      if (!made) return report.say('already there')
      keepData = await isThere(paths.data)
      for (const path of [paths.state, paths.logs, paths.configs, paths.data, paths.socketFolder])
        await privateFolder(path, surroundings.uid)
      report.say(paths.state)
    },
    async undo() {
      if (made) await removeFolders(context, keepData)
    },
  }
}

function portsStep({ paths, clock }: ProcessContext): Step {
  return {
    title: 'Ports',
    async run(report) {
      const memory = await readMemory(paths)
      const lock = await takeLock(paths.portsLock, { clock, signal: report.signal })
      try {
        const known = memory?.ports ?? {}
        const { ports, moved } = await choosePorts(portUses(0), known, await portsOfOthers(paths))
        await writeMemory(paths, { ports, deployment: memory?.deployment ?? null })
        sayPorts(report, ports, moved)
      } finally {
        await lock.release()
      }
    },
  }
}

/** Tells the ports that clients use, and each that is not the usual one. */
export function sayPorts(report: StepReport, ports: Readonly<Record<string, number>>, moved: readonly Moved[]): void {
  const gone = moved.map(({ use, usual, port }) => `${usual} is taken, ${serverNoun(use)} uses ${port}`)
  report.say([`cache ${ports['cas']}, scheduler ${ports['scheduler']}`, ...gone].join('; '))
}

function supervisorStep(context: ProcessContext): Step {
  const { paths } = context
  let started = false
  return {
    title: 'Supervisor',
    async run(report) {
      const running = await supervisorStatusAt(paths.socket)
      if (running) return report.say(`already running (process ${running.pid})`)
      const killed = await killLeftovers(context, report.signal)
      const { pid, desired } = await startSupervisor(context, report.signal)
      started = true
      const mended = killed > 0 ? `, ${killed} processes of a dead one ended` : ''
      const again = desired.length > 0 ? `, ${desired.length} servers start again` : ''
      report.say(`process ${pid}${mended}${again}`)
    },
    async undo() {
      if (!started) return
      await askSupervisor(paths.socket, { op: 'stop', graceMs: 0 })
      await killLeftovers(context)
    },
  }
}

/** Removes all that `up` and the servers made; folders of other clusters stay. */
export async function removeFolders({ paths }: ProcessContext, keepData: boolean): Promise<void> {
  if (!keepData) {
    await remove(paths.data)
    await removeEmpty(paths.dataRoot)
  }
  await remove(paths.socket)
  await removeEmpty(paths.socketFolder)
  await remove(paths.state)
  await removeEmpty(paths.stateRoot)
}
