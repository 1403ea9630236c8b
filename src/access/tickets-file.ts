import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import { writeWhole } from '../host/files.ts'
import { readPrivateJson } from '../host/private-file.ts'
import { withLock } from '../host/process-lock.ts'
import { entryOf, hashPattern, idPattern, isTicket, type NewText, newTicket } from './token.ts'
import { addToken, dropToken, readTokens } from './tokens-file.ts'

const fileVersion = 1
const fileBytesMax = 8 * 1024 * 1024
const ticketsMax = 10_000
const what = 'the file of invitations'

/** An invitation without its secret, and what has become of it. */
const ticketEntry = z.strictObject({
  id: z.string().regex(idPattern),
  /** The name of the token that it is exchanged for. */
  name: z.string().min(1).max(100),
  hash: z.string().regex(hashPattern),
  created: z.iso.datetime(),
  expires: z.iso.datetime(),
  /** When the token expires; null for never. */
  tokenExpires: z.iso.datetime().nullable(),
  /** The id of the token that it was exchanged for; null until then. */
  redeemed: z.string().regex(idPattern).nullable(),
})
export type TicketEntry = z.output<typeof ticketEntry>
const file = z.strictObject({ version: z.literal(fileVersion), tickets: z.array(ticketEntry).max(ticketsMax) })

/** The file of the invitations that belong to a file of tokens. */
export function ticketsBeside(tokens: string): string {
  return join(dirname(tokens), 'tickets.json')
}

/**
 * The invitations in a file, by id; none if there is no file.
 * @throws Failure 'denied' when every account can read it, 'corrupt' when it is damaged
 */
export async function readTickets(path: string): Promise<ReadonlyMap<string, TicketEntry>> {
  const next = ['Move it away: who was invited and has not come yet has to be invited again.']
  const value = await readPrivateJson(path, what, fileBytesMax, next)
  if (value === undefined) return new Map()
  const parsed = file.safeParse(value)
  if (parsed.success) return new Map(parsed.data.tickets.map((each) => [each.id, each]))
  throw new Failure('corrupt', `${what} is damaged, or was written by a later release of native`, { where: path, next })
}

/** What an invitation is created with. */
export interface TicketWish {
  /** The name of the token that it is exchanged for. */
  readonly name: string
  /** Milliseconds since 1970: when the invitation expires, and when the token does (null for never). */
  readonly expiresMs: number
  readonly tokenExpiresMs: number | null
}

/**
 * Creates an invitation.
 * @param tokens the file of the tokens
 * @returns the text of the invitation, which cannot be retrieved again
 * @throws Failure 'exists' when a token or a valid invitation has that name
 */
export function createTicket(tokens: string, wish: TicketWish, clock: Clock): Promise<NewText> {
  const { name, expiresMs, tokenExpiresMs } = wish
  return changed(tokens, clock, async (tickets) => {
    const names = [...((await readTokens(tokens)) ?? []), ...tickets].map((each) => each.name)
    if (names.includes(name))
      throw new Failure('exists', `there is a token or an invitation with the name "${name}"`, {
        next: [`Choose another name, or take that one away with \`native token revoke ${name}\`.`],
      })
    if (tickets.length >= ticketsMax) throw new Failure('exhausted', `there are ${ticketsMax} invitations`)
    const made = newTicket(expiresMs)
    const { id, hash } = made
    const date = (ms: number) => new Date(ms).toISOString()
    const tokenExpires = tokenExpiresMs === null ? null : date(tokenExpiresMs)
    const entry = { id, name, hash, created: date(clock.now()), expires: date(expiresMs), tokenExpires, redeemed: null }
    return { tickets: [...tickets, entry], result: made }
  })
}

/** A token that an invited machine has made. */
export type OwnToken = Pick<NewText, 'id' | 'hash'>

/**
 * Exchanges an invitation: its token gets the rights of a worker. Repeating the request with the same token gives the
 * same answer.
 * @param text of the invitation
 * @throws Failure 'denied' if it is unknown, used by somebody else or expired; 'exists' as addToken
 */
export function redeemTicket(tokens: string, text: string, own: OwnToken, clock: Clock): Promise<TicketEntry> {
  return changed(tokens, clock, async (tickets) => {
    const ticket = isTicket(text) ? entryOf(text, new Map(tickets.map((each) => [each.id, each]))) : undefined
    if (!ticket) throw new Failure('denied', 'the invitation is unknown, was revoked or has expired', { next: askAnew })
    if (ticket.redeemed !== null && ticket.redeemed !== own.id)
      throw new Failure('denied', `the invitation "${ticket.name}" was used already`, {
        next: [...askAnew, 'If this machine has used it, run `native leave` first: then the line can be used again.'],
      })
    const { name, tokenExpires: expires } = ticket
    const created = new Date(clock.now()).toISOString()
    await addToken(tokens, { id: own.id, name, role: 'worker', hash: own.hash, created, expires }, clock)
    const done = { ...ticket, redeemed: own.id }
    return { tickets: tickets.map((each) => (each === ticket ? done : each)), result: done }
  })
}

const askAnew = ['Ask for another one: `native invite` on the machine of the cluster.']

/**
 * Revokes a token that came from an invitation; the invitation can then be used again until it expires.
 * @param text of the token
 * @returns false for a token that came from no invitation, which others may be using too
 */
export async function retireToken(tokens: string, text: string, clock: Clock): Promise<boolean> {
  // Anybody with a token may ask, perhaps where nothing is writable: take the lock only if something will change.
  const known = [...(await readTickets(ticketsBeside(tokens))).values()]
  if ((await redeemedBy(tokens, text, known)) === undefined) return false
  return changed(tokens, clock, async (tickets) => {
    const id = await redeemedBy(tokens, text, tickets)
    if (id === undefined) return { tickets, result: false }
    await dropToken(tokens, id, clock)
    // A `join` that failed gives its token back: the same invitation must work for the next attempt.
    const left = tickets.filter(({ redeemed, expires }) => redeemed !== id || Date.parse(expires) > clock.now())
    return { tickets: left.map((each) => (each.redeemed === id ? { ...each, redeemed: null } : each)), result: true }
  })
}

/** The id of a token that one of these invitations was exchanged for; undefined for any other token. */
async function redeemedBy(tokens: string, text: string, tickets: readonly TicketEntry[]): Promise<string | undefined> {
  const entries = (await readTokens(tokens)) ?? []
  const entry = entryOf(text, new Map(entries.map((each) => [each.id, each])))
  return tickets.some(({ redeemed }) => redeemed === entry?.id) ? entry?.id : undefined
}

/** Revokes an unused invitation. @returns false if none has that name */
export function revokeTicket(tokens: string, name: string, clock: Clock): Promise<boolean> {
  return changed(tokens, clock, async (tickets) => {
    const left = tickets.filter((each) => each.name !== name || each.redeemed !== null)
    return { tickets: left, result: left.length < tickets.length }
  })
}

/**
 * Reads, changes and, if that makes a difference, writes the file; concurrent changes take turns. Entries that are no
 * longer of use are dropped.
 */
async function changed<T>(
  tokens: string,
  clock: Clock,
  change: (tickets: readonly TicketEntry[]) => Promise<{ tickets: readonly TicketEntry[]; result: T }>,
): Promise<T> {
  const path = ticketsBeside(tokens)
  return withLock(`${path}.lock`, { clock }, async () => {
    const ids = new Set(((await readTokens(tokens)) ?? []).map(({ id }) => id))
    const known = [...(await readTickets(path)).values()]
    const { tickets, result } = await change(
      known.filter(({ redeemed, expires }) =>
        redeemed === null ? Date.parse(expires) > clock.now() : ids.has(redeemed),
      ),
    )
    if (JSON.stringify(tickets) !== JSON.stringify(known))
      await writeWhole(path, `${JSON.stringify({ version: fileVersion, tickets }, null, 2)}\n`)
    return result
  })
}
