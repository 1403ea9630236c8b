import { randomBytes } from 'node:crypto'
import type { MeetingPlace } from '../cluster/driver.ts'
import { systemClock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import { parseSpanFlag } from './values.ts'

/** Long enough to walk to the other machine, short enough that a line left in a chat is useless. */
const usual = '15m'
/** Beyond this, use a token. */
const spanMsMax = 30 * 86_400_000

/**
 * When an invitation expires, in milliseconds since 1970.
 * @param text as the user wrote it; a quarter of an hour if absent
 * @throws Failure 'invalid'
 */
export function invitationExpiry(text = usual): number {
  const span = parseSpanFlag(text, '--expires')
  if (span > 0 && span <= spanMsMax) return systemClock.now() + span
  throw new Failure('invalid', 'an invitation must expire within 30 days', {
    where: '--expires',
    next: ['Write it as 15m or 2h; --reusable gives a token instead, whose validity --token-expires sets.'],
  })
}

/**
 * @param expires --expires, as the user wrote it
 * @throws Failure 'invalid' if it could not be honoured: the line would contain a token, which lasts for
 *   --token-expires
 */
export function assertExpiryKept({ exchanges }: Pick<MeetingPlace, 'exchanges'>, expires: string | undefined): void {
  if (exchanges || expires === undefined) return
  throw new Failure('invalid', 'the scheduler of a cluster of nodes cannot exchange invitations, so none can expire', {
    where: '--expires',
    next: [`The line holds the token itself: use --token-expires ${expires} for how long that is valid.`],
  })
}

/** A token name for a machine whose name is unknown. */
export function newTokenName(): string {
  return `worker-${randomBytes(3).toString('hex')}`
}

/** The line to paste on the other machine. */
export function joinLine(bin: string, { url, fingerprint }: MeetingPlace, token: string): string {
  const ca = fingerprint === null ? '' : ` --ca ${fingerprint}`
  return `${bin} join ${url} --token ${token}${ca}`
}
