import { randomUUID } from 'node:crypto'
import { utimesSync } from 'node:fs'
import { link, stat, unlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import { errnoOf, Failure } from '../core/failure.ts'
import { ifThere, readIfThere, removeEmpty } from './files.ts'
import { makeFolder } from './folders.ts'
import { identityOf, isAlive, type ProcessIdentity } from './process-identity.ts'
import { wait } from './wait.ts'

const holderSchema = z.object({ pid: z.number().int().positive(), start: z.string() })
const pollMs = 50
/** For a slow holder. */
const longPollMs = 500
const shortMsMax = 2_000
/** A holder that is silent for longer than its longest step takes is stuck. */
const silenceMsMax = 20 * 60_000
/** Breaking a stale lock takes microseconds; whoever started that long ago died doing it. */
const breakMsMax = 5_000

export interface LockOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal
  /** Called once, with the holder's process id, when another process has the lock. */
  readonly waiting?: (pid: number) => void
}

/** A held lock. */
export interface Lock {
  /** Tells waiters that the holder makes progress; call it at each piece of work. */
  touch(): void
  release(): Promise<void>
}

/**
 * Takes a lock file, waiting while another living process holds it. A lock names its holder; one whose holder is gone
 * (killed, rebooted) is broken. The file appears with its text in it (a link to a finished file), so nobody ever reads
 * half a lock.
 * @throws Failure 'unavailable' if the holder has made no progress for twenty minutes; the signal's reason if it aborts
 */
export async function takeLock(path: string, options: LockOptions): Promise<Lock> {
  const { clock, signal } = options
  const began = clock.now()
  let moved = { at: began, stamp: 0 }
  let told = false
  while (!(await tryLink(path))) {
    const found = await lookAt(path)
    if (found === 'stale') await breakStale(path, clock)
    if (found === 'stale' || found === 'free') continue
    if (!told) options.waiting?.(found.pid)
    told = true
    const stamp = await modified(path)
    if (stamp !== moved.stamp) moved = { at: clock.now(), stamp }
    if (clock.now() - moved.at > silenceMsMax) throw tooLong(path, found.pid)
    await wait(clock.now() - began < shortMsMax ? pollMs : longPollMs, clock, signal)
  }
  return { touch: () => touch(path), release: () => release(path) }
}

/** Works while this process holds a lock. @throws Failure as takeLock, and what the work throws */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const lock = await takeLock(path, options)
  try {
    return await work()
  } finally {
    await lock.release()
  }
}

/** The living holder's process id, or undefined if the lock is free. */
export async function holderOf(path: string): Promise<number | undefined> {
  const found = await lookAt(path)
  return typeof found === 'string' ? undefined : found.pid
}

/** The living holder; stale if the file exists but its holder does not. */
async function lookAt(path: string): Promise<'free' | 'stale' | ProcessIdentity> {
  const text = await readIfThere(path)
  if (text === undefined) return 'free'
  const holder = parsedHolder(text)
  return holder && (await isAlive(holder)) ? holder : 'stale'
}

async function tryLink(path: string): Promise<boolean> {
  const own = await identityOf(process.pid)
  const aside = `${path}.${randomUUID()}`
  makeFolder(dirname(path), undefined, 0o700)
  try {
    await writeFile(aside, JSON.stringify(own), { mode: 0o600 })
    await link(aside, path)
    return true
  } catch (error) {
    // ENOENT: a `down` removed the folder under us; the next attempt makes it again.
    if (errnoOf(error) === 'EEXIST' || errnoOf(error) === 'ENOENT') return false
    throw error
  } finally {
    await ifThere(unlink(aside))
  }
}

/** Removes a lock whose holder is gone; only one process at a time may decide that. */
async function breakStale(path: string, clock: Clock): Promise<void> {
  const guard = `${path}.break`
  try {
    await writeFile(guard, '', { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST' && errnoOf(error) !== 'ENOENT') throw error
    if (errnoOf(error) === 'EEXIST' && Date.now() - (await modified(guard)) > breakMsMax) await ifThere(unlink(guard))
    return wait(pollMs, clock)
  }
  try {
    // Under the guard a stale file stays stale; once it is gone, another process may take the lock.
    if ((await lookAt(path)) === 'stale') await ifThere(unlink(path))
  } finally {
    await ifThere(unlink(guard))
  }
}

function touch(path: string): void {
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch (error) {
    // Whoever removed the folder under us has also ended what we were doing.
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}

async function release(path: string): Promise<void> {
  await ifThere(unlink(path))
  await removeEmpty(dirname(path))
}

function parsedHolder(text: string): ProcessIdentity | undefined {
  try {
    return holderSchema.parse(JSON.parse(text))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined
    throw error
  }
}

async function modified(path: string): Promise<number> {
  return (await ifThere(stat(path)))?.mtimeMs ?? Date.now()
}

function tooLong(path: string, pid: number): Failure {
  return new Failure(
    'unavailable',
    `another \`native\` (process ${pid}) is working here, and has made no progress for ${silenceMsMax / 60_000} minutes`,
    {
      where: path,
      next: [`Wait for process ${pid}, or end it, and try again.`],
    },
  )
}
