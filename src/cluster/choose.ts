import { Failure } from '../core/failure.ts'
import { isThere } from '../host/files.ts'
import type { UserContext } from '../host/user-folders.ts'
import { declarations } from './open.ts'
import type { Operations } from './options.ts'
import type { DriverKind } from './status.ts'

/**
 * The driver for a user who names none: the only one that supports what is asked for; else that of the existing
 * cluster, or processes where there is none.
 * @param operation what the driver is needed for; if absent, something that every driver does
 * @throws Failure 'invalid' when both have a cluster of this name
 */
export async function chooseDriver(name: string, user: UserContext, operation?: keyof Operations): Promise<DriverKind> {
  const all = Object.values(declarations)
  const able = operation === undefined ? all : all.filter(({ takes }) => takes[operation] !== undefined)
  const there: DriverKind[] = []
  if (able.length > 1) for (const each of able) if (await isThere(each.stateFile(name, user))) there.push(each.kind)
  if (there.length > 1)
    throw new Failure('invalid', `there are two clusters "${name}", one of each driver`, {
      where: '--driver',
      next: [
        `Choose one with ${there.map((each) => `--driver ${each}`).join(' or ')}; NATIVE_DRIVER does so for all commands.`,
      ],
    })
  return there[0] ?? able[0]?.kind ?? 'process'
}
