import { isThere, readIfThere } from '../../../host/files.ts'
import type { LoginStart } from '../../status.ts'
import { type LoginUnit, loginUnit, type UnitContext } from './unit.ts'

/** A cluster's unit and its current state. */
export interface LoginState {
  readonly unit: LoginUnit
  readonly state: LoginStart['state'] | 'absent'
}

/** Reads the files; no service manager is asked. */
export async function loginState(context: UnitContext): Promise<LoginState> {
  const unit = loginUnit(context)
  const text = await readIfThere(unit.path)
  if (text === undefined) return { unit, state: 'absent' }
  if (text !== unit.text) return { unit, state: 'stale' }
  const enabled = unit.enabledBy === undefined || (await isThere(unit.enabledBy))
  return { unit, state: enabled ? 'enabled' : 'disabled' }
}

/** The same, as shown in a status; null when the cluster does not come up at log-in. */
export async function loginStart(context: UnitContext): Promise<LoginStart | null> {
  const { unit, state } = await loginState(context)
  return state === 'absent' ? null : { unit: unit.path, state }
}
