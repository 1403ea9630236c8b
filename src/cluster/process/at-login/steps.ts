import { dirname } from 'node:path'
import { messageOf } from '../../../core/failure.ts'
import { isThere, remove, removeEmpty, writeWhole } from '../../../host/files.ts'
import { makeFolder } from '../../../host/folders.ts'
import type { Step, StepReport } from '../../driver.ts'
import { loginState } from './state.ts'
import { type LoginUnit, loginUnit, type UnitContext } from './unit.ts'

const managerMsMax = 20_000

/** Makes the cluster come up at each log-in. */
export function writeUnitStep(context: UnitContext): Step {
  let made = false
  return {
    title: 'Start at log-in',
    async run(report) {
      const { unit, state } = await loginState(context)
      if (state === 'enabled') return report.say(`already set up (${unit.path})`)
      made = state === 'absent'
      makeFolder(dirname(unit.path))
      await writeWhole(unit.path, unit.text)
      report.say(await enabledText(unit, context, report))
    },
    async undo() {
      if (made) await removeUnit(context)
    },
    undoes: () => made,
  }
}

/** Undoes that; says so if there was anything to undo. */
export function removeUnitStep(context: UnitContext): Step {
  return {
    title: 'Start at log-in',
    async run(report) {
      report.say((await removeUnit(context, report.signal)) ? 'no longer' : 'was not set up')
    },
  }
}

async function removeUnit(context: UnitContext, signal?: AbortSignal): Promise<boolean> {
  const unit = loginUnit(context)
  const was = (await isThere(unit.path)) || (unit.enabledBy !== undefined && (await isThere(unit.enabledBy)))
  if (!was) return false
  await remove(unit.path)
  if (unit.enabledBy === undefined) return true
  await remove(unit.enabledBy)
  await removeEmpty(dirname(unit.enabledBy))
  // A service manager that is not running has nothing to forget.
  await manage(['daemon-reload'], context, signal)
  return true
}

/**
 * Has the service manager forget that it started the cluster, once the cluster is gone: it would start a later one of this
 * name only after a new log-in. It ends whatever is left in the unit's control group.
 */
export async function stopUnit(context: UnitContext, signal?: AbortSignal): Promise<void> {
  const unit = loginUnit(context)
  // A manager that is not running has nothing to forget, nor has one that did not start it.
  if (unit.kind === 'systemd') await manage(['stop', unit.name], context, signal)
}

async function enabledText(unit: LoginUnit, context: UnitContext, { signal }: StepReport): Promise<string> {
  if (unit.kind === 'launchd') return `launchd reads ${unit.path} at the next log-in`
  const refused =
    (await manage(['daemon-reload'], context, signal)) ?? (await manage(['enable', unit.name], context, signal))
  if (refused === undefined) return unit.path
  return `${unit.path} is written, but systemd was not told (${refused}). Run, in a session of your own: systemctl --user enable ${unit.name}`
}

/** Calls the user's systemd; returns its message when that fails. */
async function manage(
  words: readonly string[],
  { user }: UnitContext,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    const { execa } = await import('execa')
    await execa('systemctl', ['--user', '--quiet', ...words], {
      env: user.env,
      extendEnv: false,
      stdin: 'ignore',
      timeout: managerMsMax,
      ...(signal && { cancelSignal: signal }),
    })
    return undefined
  } catch (error) {
    signal?.throwIfAborted()
    return lastLine(error)
  }
}

function lastLine(error: unknown): string {
  const { stderr, shortMessage } = error as { stderr?: unknown; shortMessage?: string }
  const said = typeof stderr === 'string' ? stderr.trim().split('\n').at(-1) : undefined
  return said || (shortMessage ?? messageOf(error))
}
