import { dirname } from 'node:path'
import { isThere, remove, removeEmpty } from '../../host/files.ts'
import { makePrivateFolder } from '../../host/folders.ts'
import { withLock } from '../../host/process-lock.ts'
import type { Leftovers } from '../../store/disk/leftovers.ts'
import { removeTree } from '../../store/disk/remove-tree.ts'
import type { Step, StepReport } from '../driver.ts'
import type { UpOptions } from '../options.ts'
import { locked } from '../shared/locked-steps.ts'
import { choosePorts, type Moved, type Ports } from '../shared/ports.ts'
import { removeUnitStep, writeUnitStep } from './at-login/steps.ts'
import type { ProcessContext } from './context.ts'
import { forgetOthers, invitationOf, joinedFolder } from './joined/files.ts'
import { workerFile } from './joined/render.ts'
import { portsKept } from './kept.ts'
import { killLeftovers } from './leftovers.ts'
import type { ClusterPaths } from './paths.ts'
import { accessStep } from './private.ts'
import { joinedPortUses, portUses } from './render.ts'
import { startSupervisor } from './start-supervisor.ts'
import { portsOfOthers, readMemory, writeMemory } from './state.ts'
import { askSupervisor, supervisorStatusAt } from './supervisor-client.ts'

/** Brings the cluster up: folders, ports, a supervisor. */
export function upSteps(context: ProcessContext, { retain, atLogin }: UpOptions): Step[] {
  const login = atLogin === undefined ? [] : [atLogin ? writeUnitStep(context) : removeUnitStep(context)]
  return locked(context, retain, [...bringUp(context), accessStep(context), ...login])
}

/**
 * The same without the lock, for a caller that has it.
 * @param asked the ports for a first deployment; read when the step runs
 */
export function bringUp(context: ProcessContext, asked: { readonly ports: Ports } = { ports: {} }): Step[] {
  return [foldersStep(context), portsStep(context, asked), supervisorStep(context)]
}

export function foldersStep(context: ProcessContext): Step {
  const { paths, user } = context
  let made = false
  let keepData = false
  return {
    title: `Folders of cluster "${paths.name}"`,
    async run(report) {
      made = (await readMemory(paths)) === undefined
      if (!made) return report.say('already there')
      keepData = await isThere(paths.data)
      for (const path of [paths.state, paths.logs, paths.configs, paths.data, paths.socketFolder])
        makePrivateFolder(path, user.uid)
      report.say(paths.state)
    },
    async undo() {
      if (made) await removeFolders(context, keepData)
    },
    undoes: () => made,
  }
}

function portsStep({ paths, clock }: ProcessContext, asked: { readonly ports: Ports }): Step {
  return {
    title: 'Ports',
    async run(report) {
      const memory = await readMemory(paths)
      await withLock(paths.portsLock, { clock, signal: report.signal }, async () => {
        // A later deployment moves its servers itself, and moves them back when it fails.
        const wanted = memory?.deployment ? {} : asked.ports
        const known = { ...(memory?.ports ?? (await portsKept(paths))), ...wanted }
        const joined = memory?.joined
        const uses = joined ? joinedPortUses : portUses(0, true)
        const { ports, moved } = await choosePorts(uses, known, await portsOfOthers(paths))
        await writeMemory(paths, { ports, deployment: memory?.deployment ?? null, ...(joined && { joined }) })
        if (!joined) return sayPorts(report, ports, moved)
        await forgetKilledJoin(paths)
        report.say('those of a worker, which clients do not call')
      })
    },
  }
}

/** A `join` that was killed may have left the token of another invitation. */
async function forgetKilledJoin(paths: ClusterPaths): Promise<void> {
  const current = await invitationOf(workerFile(paths))
  if (current && dirname(current.folder) === joinedFolder(paths)) await forgetOthers(paths, current.folder)
}

/** Reports the ports that clients use, and which of the usual ones were taken; status shows who uses what. */
export function sayPorts(report: StepReport, ports: Readonly<Record<string, number>>, moved: readonly Moved[]): void {
  const taken = moved.length === 0 ? '' : `; taken by others: ${moved.map(({ usual }) => usual).join(', ')}`
  report.say(`cache ${ports['cas']}, scheduler ${ports['scheduler']}${taken}`)
}

export function supervisorStep(context: ProcessContext): Step {
  const { paths } = context
  let started = false
  return {
    title: 'Supervisor',
    async run(report) {
      const running = await supervisorStatusAt(paths)
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
      await askSupervisor(paths, { op: 'stop', graceMs: 0 })
      await killLeftovers(context)
    },
    undoes: () => started,
  }
}

/**
 * Removes everything that `up` and the servers created; folders of other clusters stay.
 * @returns what this user could not remove: actions can leave root's files, immutable ones, mounts
 */
export async function removeFolders({ paths }: ProcessContext, keepData: boolean): Promise<Leftovers> {
  const left = keepData ? nothing : await removeTree(paths.data)
  if (!keepData) await removeEmpty(paths.dataRoot)
  await remove(paths.socket)
  await removeEmpty(paths.socketFolder)
  await remove(paths.state)
  await removeEmpty(paths.stateRoot)
  return left
}

const nothing: Leftovers = { first: [], count: 0 }

/** Names what is left and says what to do about it; '' when nothing is. */
export function leftText({ first, count }: Leftovers, folder: string): string {
  const [one] = first
  if (!one) return ''
  const more = count > 1 ? ` and ${count - 1} more` : ''
  return `this user may not remove ${one.path} (${one.code})${more}: an action left it. Remove it as its owner or with sudo: sudo rm -rf ${folder}`
}
