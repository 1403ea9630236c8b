import { Flags } from '@oclif/core'
import type { TokenEntry } from '../access/tokens-file.ts'
import type { TokensPlace } from '../cluster/driver.ts'
import type { DriverKind } from '../cluster/status.ts'
import { systemClock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import { printable } from '../core/printable.ts'
import { clusterFlags } from './base.ts'
import { table } from './table.ts'
import { parseSpanFlag } from './values.ts'

/** Where the tokens are, for every command about them. */
export const tokenFlags = {
  cluster: Flags.string({ summary: 'name of the cluster', default: 'native', env: 'NATIVE_NAME' }),
  driver: clusterFlags.driver,
  file: Flags.file({
    summary: 'the tokens file named in the configuration of a `native serve`, instead of the one of a cluster',
    exclusive: ['cluster', 'driver'],
  }),
}

/** The flag that names the cluster in a token command that the user is told to run; empty for the default cluster. */
export function clusterFlag(cluster: string): string {
  return cluster === 'native' && !process.env['NATIVE_NAME'] ? '' : ` --cluster ${cluster}`
}

/** The values of tokenFlags. */
export interface TokenFlags {
  readonly cluster: string
  readonly driver?: DriverKind | undefined
  readonly file?: string | undefined
}

/** Long enough for the name of a machine or a colleague, and short enough for a table. */
const namePattern = /^[\w.@+-]{1,100}$/
const expiresMsMax = 100 * 365 * 86_400_000

/** @throws Failure 'invalid' */
export function assertTokenName(name: string): string {
  if (namePattern.test(name)) return name
  throw new Failure('invalid', `"${printable(name.slice(0, 100))}" cannot be the name of a token`, {
    where: '--name',
    next: ['Use at most 100 characters: letters, digits and . _ @ + -'],
  })
}

/**
 * When a token expires, in milliseconds since 1970; null for never.
 * @throws Failure 'invalid'
 */
export function expiryOfFlag(text: string, flag = '--expires'): number | null {
  if (text === 'never') return null
  const span = parseSpanFlag(text, flag)
  if (span > 0 && span <= expiresMsMax) return systemClock.now() + span
  throw new Failure('invalid', 'a token must expire between now and a hundred years from now', {
    where: flag,
    next: ['Write it as 12h or 30d, or as never.'],
  })
}

/**
 * Changes the tokens of a place, and notifies its servers.
 * @param made shows what was created, before the servers are called: it could not be shown later
 * @throws what `change` throws. If that says that there was nothing to change, the servers are notified all the same:
 *   an earlier change may not have reached them, and people repeat the command to retry
 */
export async function changeTokensAt<T>(
  place: TokensPlace,
  change: (file: string) => Promise<T>,
  made?: (result: T) => void,
): Promise<T> {
  const result = await change(place.file).catch(async (error: unknown) => {
    if (error instanceof Failure && (error.kind === 'not-found' || error.kind === 'exists')) await place.changed()
    throw error
  })
  made?.(result)
  await place.changed()
  return result
}

/** A token without what only servers need. */
export function tokenJson({ id, name, role, instances, created, expires }: TokenEntry): object {
  return { name, role, instances: instances ?? null, created, expires, id }
}

/** Tokens for people. */
export function tokenTable(entries: readonly TokenEntry[], nowMs: number, columns: number): string {
  if (entries.length === 0) return 'There are no tokens.'
  return table(
    ['NAME', 'ROLE', 'INSTANCES', 'CREATED', 'EXPIRES'],
    entries.map(({ name, role, instances, created, expires }) => [
      printable(name),
      role,
      instances === undefined ? 'all' : instances.map((each) => printable(JSON.stringify(each))).join(' '),
      created.slice(0, 10),
      expires === null
        ? 'never'
        : Date.parse(expires) <= nowMs
          ? `${expires.slice(0, 10)} (over)`
          : expires.slice(0, 10),
    ]),
    columns,
  )
}
