import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import { writeWhole } from '../host/files.ts'
import { makeFolder } from '../host/folders.ts'
import { readPrivateJson } from '../host/private-file.ts'
import { withLock } from '../host/process-lock.ts'
import { configRootOf, type UserContext } from '../host/user-folders.ts'
import { expiryIn } from './token.ts'
import { removeTokenFile, writeTokenFile } from './token-file.ts'

const fileVersion = 1
const fileBytesMax = 1024 * 1024
const loginsMax = 1000
const what = 'the logins file'

const login = z.strictObject({
  token: z.string().min(1).max(8192),
  /** The state folder of this user's cluster that keeps the login; absent for one that the user provided. */
  cluster: z.string().optional(),
})
const file = z.strictObject({ version: z.literal(fileVersion), logins: z.record(z.string(), login) })
type Logins = Readonly<Record<string, z.output<typeof login>>>

/** The file with a user's logins for servers, readable by this user alone. */
export function loginsFile(user: Pick<UserContext, 'env' | 'home'>): string {
  return join(configRootOf({ tmp: '', uid: -1, ...user }), 'logins.json')
}

/**
 * The token kept for an address.
 * @param address `host:port`, or a URL
 * @returns undefined if there is none
 * @throws Failure 'corrupt', 'denied' when every account can read the file
 */
export async function tokenFor(user: UserContext, address: string): Promise<string | undefined> {
  return (await readLogins(loginsFile(user)))[keyOf(address)]?.token
}

/**
 * A file with nothing but the token kept for an address, for tools that read no other. It goes when the login does, or
 * gets another token.
 * @returns its path; undefined if there is no such token
 */
export async function tokenFileFor(user: UserContext, address: string): Promise<string | undefined> {
  const token = await tokenFor(user, address)
  return token === undefined ? undefined : await writeTokenFile(user, keyOf(address), token)
}

/** The `authorization` header for an address; undefined if no token is kept. */
export async function authorizationFor(user: UserContext, address: string): Promise<string | undefined> {
  const token = await tokenFor(user, address)
  return token === undefined ? undefined : `Bearer ${token}`
}

/** When a token expires, in milliseconds since 1970, if the token itself says so. */
export function expiryOf(token: string): number | undefined {
  const seconds = claimedExpiry(token)
  return expiryIn(token) ?? (seconds === undefined ? undefined : seconds * 1000)
}

/** Keeps a token for addresses. @param cluster whose state folder it belongs to */
export function keepLogin(
  user: UserContext,
  addresses: readonly string[],
  token: string,
  clock: Clock,
  cluster?: string,
): Promise<void> {
  return changed(user, clock, (logins) => {
    const own = addresses.map((address) => [keyOf(address), { token, ...(cluster !== undefined && { cluster }) }])
    return {
      ...without(logins, (_, each) => cluster !== undefined && each.cluster === cluster),
      ...Object.fromEntries(own),
    }
  })
}

/** Forgets the token of an address. @returns false if there was none */
export async function removeLogin(user: UserContext, address: string, clock: Clock): Promise<boolean> {
  const key = keyOf(address)
  const there = key in (await readLogins(loginsFile(user)))
  if (there) await changed(user, clock, (logins) => without(logins, (each) => each === key))
  return there
}

/** The token kept by one of this user's clusters. */
export async function tokenOfCluster(user: UserContext, cluster: string): Promise<string | undefined> {
  const logins = await readLogins(loginsFile(user))
  return Object.values(logins).find((each) => each.cluster === cluster)?.token
}

/** Forgets what one of this user's clusters has kept. */
export async function removeLoginsOf(user: UserContext, cluster: string, clock: Clock): Promise<void> {
  if ((await tokenOfCluster(user, cluster)) === undefined) return
  await changed(user, clock, (logins) => without(logins, (_, each) => each.cluster === cluster))
}

function without(logins: Logins, isMeant: (key: string, each: Logins[string]) => boolean): Logins {
  return Object.fromEntries(Object.entries(logins).filter(([key, each]) => !isMeant(key, each)))
}

/** The canonical form of an address: no scheme, no path, and this machine by its IP address. */
function keyOf(address: string): string {
  const place = address
    .replace(/^[a-z]+:\/\//i, '')
    .replace(/\/.*$/, '')
    .toLowerCase()
  return place.replace(/^localhost(?=:|$)/, '127.0.0.1')
}

async function readLogins(path: string): Promise<Logins> {
  const next = ['Move it away and log in again with `native login`.']
  const value = await readPrivateJson(path, what, fileBytesMax, next)
  if (value === undefined) return {}
  const parsed = file.safeParse(value)
  if (parsed.success) return parsed.data.logins
  throw new Failure('corrupt', `${what} is damaged, or was written by a later release of native`, { where: path, next })
}

async function changed(user: UserContext, clock: Clock, change: (logins: Logins) => Logins): Promise<void> {
  const path = loginsFile(user)
  makeFolder(dirname(path), 'cannot make the folder of the logins', 0o700)
  await withLock(`${path}.lock`, { clock }, async () => {
    const before = await readLogins(path)
    const logins = change(before)
    if (Object.keys(logins).length > loginsMax)
      throw new Failure('exhausted', `there are ${loginsMax} logins: remove some with \`native logout\``, {
        where: path,
      })
    if (Object.keys(logins).length === 0) await rm(path, { force: true })
    else await writeWhole(path, `${JSON.stringify({ version: fileVersion, logins }, null, 2)}\n`)
    for (const [key, { token }] of Object.entries(before))
      if (logins[key]?.token !== token) await removeTokenFile(user, key)
  })
}

/** The `exp` claim of a JSON Web Token, unverified: good enough for its sender, not for its recipient. */
function claimedExpiry(token: string): number | undefined {
  const [, payload, signature] = token.split('.')
  if (payload === undefined || signature === undefined) return undefined
  try {
    return z.object({ exp: z.number() }).parse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))).exp
  } catch {
    // Tokens of other kinds do not say when they expire.
    return undefined
  }
}
