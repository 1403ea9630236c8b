import { dirname } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import { writeWhole } from '../host/files.ts'
import { makeFolder } from '../host/folders.ts'
import { readPrivateJson } from '../host/private-file.ts'
import { withLock } from '../host/process-lock.ts'
import { entryOf, newToken, type TokenEntry, tokenEntry } from './token.ts'

export type { TokenEntry } from './token.ts'

const fileVersion = 1
const fileBytesMax = 8 * 1024 * 1024
const tokensMax = 10_000
const what = 'the tokens file'

const file = z.strictObject({ version: z.literal(fileVersion), tokens: z.array(tokenEntry).max(tokensMax) })

/**
 * The tokens in a file; undefined if there is no file.
 * @throws Failure 'denied' when every account can read it, 'corrupt' when it is damaged or belongs to something else,
 *   'precondition' when a later release wrote it
 */
export async function readTokens(path: string): Promise<TokenEntry[] | undefined> {
  const value = await readPrivateJson(path, what, fileBytesMax, damagedNext)
  if (value === undefined) return undefined
  const version = z.object({ version: z.number() }).safeParse(value)
  if (version.success && version.data.version > fileVersion)
    throw new Failure('precondition', `${what} was written by a later release of native`, {
      where: path,
      next: [`Its version is ${version.data.version}, this release reads ${fileVersion}: use the later release.`],
    })
  const parsed = file.safeParse(value)
  if (parsed.success) return parsed.data.tokens
  const place = parsed.error.issues[0]?.path.join('.') || 'the whole'
  throw new Failure('corrupt', `${what} is damaged at "${place}"`, { where: path, next: damagedNext })
}

const damagedNext = ['Restore it, or move it away and create the tokens again with `native token create`.']

/** Is this a token in the file? */
export async function hasToken(path: string, text: string): Promise<boolean> {
  const entries = (await readTokens(path)) ?? []
  return entryOf(text, new Map(entries.map((entry) => [entry.id, entry]))) !== undefined
}

/** What a token is created with. */
export interface TokenWish {
  readonly name: string
  readonly role: TokenEntry['role']
  readonly instances?: readonly string[]
  /** Milliseconds since 1970; null for never. */
  readonly expiresMs: number | null
}

/** An entry, and the text of its token, which cannot be retrieved again. */
export interface Made {
  readonly entry: TokenEntry
  readonly token: string
}

/**
 * Creates a token.
 * @throws Failure 'exists' when the name is taken, 'exhausted' when there are too many
 */
export function createToken(path: string, wish: TokenWish, clock: Clock): Promise<Made> {
  return changed(path, clock, (entries) => {
    if (entries.some(({ name }) => name === wish.name))
      throw new Failure('exists', `there is a token with the name "${wish.name}"`, {
        next: ['Choose another name, or replace it with `native token rotate`.'],
      })
    if (entries.length >= tokensMax) throw new Failure('exhausted', `there are ${tokensMax} tokens: revoke some`)
    const made = makeToken(wish, clock)
    return { entries: [...entries, made.entry], result: made }
  })
}

/**
 * Replaces a token with one of the same name and rights; the old one stops working at once.
 * @param expiresMs as TokenWish; undefined keeps it unchanged
 * @throws Failure 'not-found'
 */
export function rotateToken(
  path: string,
  name: string,
  expiresMs: number | null | undefined,
  clock: Clock,
): Promise<Made> {
  return changed(path, clock, (entries) => {
    const old = named(entries, name)
    const until = expiresMs === undefined ? (old.expires === null ? null : Date.parse(old.expires)) : expiresMs
    const { role, instances } = old
    const made = makeToken({ name, role, ...(instances && { instances }), expiresMs: until }, clock)
    return { entries: entries.map((each) => (each === old ? made.entry : each)), result: made }
  })
}

/**
 * Adds a token that somebody else made, as an invitation allows. Adding the same one again changes nothing. Its maker
 * chose the id: if an existing token has that id but another name, role or expiry, it is not the same.
 * @throws Failure 'exists' when another has the name or the id, 'exhausted' when there are too many
 */
export function addToken(path: string, entry: TokenEntry, clock: Clock): Promise<void> {
  return changed(path, clock, (entries) => {
    const same = entries.find(({ id, name }) => id === entry.id || name === entry.name)
    const facts = ['id', 'hash', 'name', 'role', 'expires'] as const
    if (same && !(same.instances === undefined && facts.every((fact) => same[fact] === entry[fact])))
      throw new Failure('exists', `there is a token with the name "${entry.name}" already`, {
        next: ['Ask for another invitation, with another name.'],
      })
    if (!same && entries.length >= tokensMax) throw new Failure('exhausted', `there are ${tokensMax} tokens`)
    return { entries: same ? entries : [...entries, entry], result: undefined }
  })
}

/** Removes the token with this id. @returns false if there is none */
export function dropToken(path: string, id: string, clock: Clock): Promise<boolean> {
  return changed(path, clock, (entries) => ({
    entries: entries.filter((each) => each.id !== id),
    result: entries.some((each) => each.id === id),
  }))
}

/** Removes a token. @throws Failure 'not-found' */
export function revokeToken(path: string, name: string, clock: Clock): Promise<TokenEntry> {
  return changed(path, clock, (entries) => {
    const old = named(entries, name)
    return { entries: entries.filter((each) => each !== old), result: old }
  })
}

/** Creates the file if there is none, so that a server can be started with it. */
export function ensureTokens(path: string, clock: Clock): Promise<void> {
  return changed(path, clock, (entries) => ({ entries, result: undefined }))
}

function named(entries: readonly TokenEntry[], name: string): TokenEntry {
  const found = entries.find((each) => each.name === name)
  if (found) return found
  throw new Failure('not-found', `there is no token with the name "${name}"`, {
    next: ['`native token list` shows them.'],
  })
}

function makeToken(wish: TokenWish, clock: Clock): Made {
  const { text, id, hash } = newToken(wish.expiresMs)
  const entry = {
    id,
    name: wish.name,
    role: wish.role,
    ...(wish.instances && wish.instances.length > 0 && { instances: [...wish.instances] }),
    hash,
    created: new Date(clock.now()).toISOString(),
    expires: wish.expiresMs === null ? null : new Date(wish.expiresMs).toISOString(),
  }
  return { entry, token: text }
}

/** Reads, changes and writes the file; concurrent changes take turns. */
async function changed<T>(
  path: string,
  clock: Clock,
  change: (entries: readonly TokenEntry[]) => { entries: readonly TokenEntry[]; result: T },
): Promise<T> {
  makeFolder(dirname(path), 'cannot make the folder of the tokens file', 0o700)
  return withLock(`${path}.lock`, { clock }, async () => {
    const { entries, result } = change((await readTokens(path)) ?? [])
    await writeWhole(path, `${JSON.stringify({ version: fileVersion, tokens: entries }, null, 2)}\n`)
    return result
  })
}
