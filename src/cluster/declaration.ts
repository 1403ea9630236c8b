import { Failure, type FailureKind } from '../core/failure.ts'
import type { UserContext } from '../host/user-folders.ts'
import type { Driver } from './driver.ts'
import { flagsOf, type Operations } from './options.ts'
import type { DriverKind } from './status.ts'

/** What is known about a driver before it is loaded; each driver declares it in its own room. */
export interface DriverDeclaration {
  readonly kind: DriverKind
  /** Where its servers run, to complete "is of no use where". */
  readonly place: string
  /** The options that it supports; it does not support an operation that is not listed. */
  readonly takes: { readonly [O in keyof Operations]?: readonly (keyof Operations[O])[] }
  /** Why it refuses an option, by its flag, where there is more to say than that it has no use for it. */
  readonly refusals?: Readonly<Record<string, Refusal>>
  /** The file that exists while this user has a cluster of this name. */
  stateFile(name: string, user: UserContext): string
}

export interface Refusal {
  /** 'invalid' by default. */
  readonly kind?: FailureKind
  readonly message: string
  readonly next?: readonly string[]
}

/**
 * The driver, refusing each option that it does not support: a flag without an effect would be misleading.
 * @param others declarations of all drivers, to say which one supports the option
 */
export function withDeclaredOptions(
  driver: Driver,
  declaration: DriverDeclaration,
  others: readonly DriverDeclaration[],
): Driver {
  const checked = <O extends keyof Operations>(operation: O, options: Operations[O]): Operations[O] => {
    assertTaken(operation, options, declaration, others)
    return options
  }
  return {
    ...driver,
    up: (options) => driver.up(checked('up', options)),
    deploy: (options) => driver.deploy(checked('deploy', options)),
    diff: async (options) => driver.diff(checked('deploy', options)),
    render: (options) => driver.render(checked('render', options)),
    down: (options) => driver.down(checked('down', options)),
    join: (options) => driver.join(checked('join', options)),
  }
}

/**
 * @throws Failure 'invalid', or of the kind that the driver has declared, for the first option that it does not support
 */
function assertTaken<O extends keyof Operations>(
  operation: O,
  options: Operations[O],
  { place, takes, refusals }: DriverDeclaration,
  others: readonly DriverDeclaration[],
): void {
  const taken: readonly PropertyKey[] = takes[operation] ?? Object.keys(flagsOf[operation])
  for (const [option, flag] of Object.entries<string>(flagsOf[operation])) {
    if (taken.includes(option) || options[option as keyof Operations[O]] === undefined) continue
    const { kind = 'invalid', message = `${flag} is of no use where ${place}`, next } = refusals?.[flag] ?? {}
    const able = others.filter((each) => (each.takes[operation] as readonly string[] | undefined)?.includes(option))
    const named = able.map((each) => `--driver ${each.kind}`).join(' or ')
    throw new Failure(kind, message, {
      where: flag,
      next: next ?? [named === '' ? 'Leave it out.' : `Leave it out, or use ${named}.`],
    })
  }
}
