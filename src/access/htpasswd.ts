import { createHash, timingSafeEqual } from 'node:crypto'
import { Failure } from '../core/failure.ts'
import { readPrivate } from '../host/private-file.ts'
import { apr1 } from './apr1.ts'

const fileBytesMax = 1024 * 1024
/** Each step doubles the time of a check: 14 takes about a second here. */
const bcryptCostMax = 14
/** More than bcrypt uses, and than anybody types. */
const passwordBytesMax = 256
/** The hash of an unknown password, so that checking a name that does not exist takes as long as one that does. */
const nobodysHash = '$2b$10$RkHDnZuMRFRz7nC0xXcCjOSg7VuYvXvO6FfO0Jm1vYzQ1xkE1sXaG'

/** Names and hashes of an htpasswd file. */
export type Passwords = ReadonlyMap<string, string>

/**
 * Reads an Apache password file: bcrypt (`htpasswd -B`), apr1 (`htpasswd -m`) and SHA-1 (`htpasswd -s`).
 * @returns undefined when there is no file
 * @throws Failure 'invalid' with file and line for another format, 'denied' when every account can read it
 */
export async function readPasswords(path: string): Promise<Passwords | undefined> {
  const text = await readPrivate(path, 'the htpasswd file', fileBytesMax)
  if (text === undefined) return undefined
  const lines = text.split(/\r?\n/).map((line, at) => ({ line: line.trim(), where: `${path}:${at + 1}` }))
  return new Map(lines.filter(({ line }) => line !== '' && !line.startsWith('#')).map(entry))
}

function entry({ line, where }: { line: string; where: string }): [string, string] {
  const colon = line.indexOf(':')
  const hash = line.slice(colon + 1)
  if (colon <= 0 || !isKnown(hash))
    throw new Failure('invalid', 'this is not a line of bcrypt, apr1 or SHA-1 as htpasswd writes them', {
      where,
      next: ['Set the password again with `htpasswd -B FILE NAME`.'],
    })
  const cost = Number(/^\$2[aby]\$(\d\d)\$/.exec(hash)?.[1] ?? 0)
  if (cost > bcryptCostMax)
    throw new Failure('invalid', `a bcrypt cost of ${cost} would take too long: at most ${bcryptCostMax}`, { where })
  return [line.slice(0, colon), hash]
}

function isKnown(hash: string): boolean {
  return (
    /^\$2[aby]\$\d\d\$[./0-9A-Za-z]{53}$/.test(hash) ||
    /^\$apr1\$[./0-9A-Za-z]{1,8}\$[./0-9A-Za-z]{22}$/.test(hash) ||
    /^\{SHA\}[+/0-9A-Za-z]{27}=$/.test(hash)
  )
}

/** Is this the password for this name? Takes as long for a name that does not exist. */
export async function isPassword(passwords: Passwords, name: string, password: string): Promise<boolean> {
  if (Buffer.byteLength(password) > passwordBytesMax) return false
  const hash = passwords.get(name)
  if (hash?.startsWith('{SHA}')) return equal(`{SHA}${createHash('sha1').update(password).digest('base64')}`, hash)
  if (hash?.startsWith('$apr1$')) return equal(apr1(password, hash.split('$')[2] ?? ''), hash)
  const { compare } = (await import('bcryptjs')).default
  return (await compare(password, hash ?? nobodysHash)) && hash !== undefined
}

function equal(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)]
  return left.length === right.length && timingSafeEqual(left, right)
}
