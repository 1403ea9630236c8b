import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { errnoOf } from '../../core/failure.ts'
import { diskFailure } from '../partial.ts'

const pollMs = 20
/** What is done under a lock takes milliseconds; whoever has held one for so long has died over it. */
const holdMsMax = 10_000

/**
 * Does work on a file while no other process does any on it: beside it stands `<file>.lock` meanwhile. The folder
 * may be shared between machines, so neither process numbers nor clocks tell whether a holder lives: one whose lock
 * stays the same for too long is taken for dead.
 * @throws what the work throws; Failure 'denied', 'exhausted' when there can be no lock
 */
export async function withFileLock<T>(file: string, work: () => Promise<T>, msMax = holdMsMax): Promise<T> {
  const path = `${file}.lock`
  const mine = randomUUID()
  await take(path, mine, msMax)
  try {
    return await work()
  } finally {
    if ((await textOf(path)) === mine) await rm(path, { force: true })
  }
}

async function take(path: string, mine: string, msMax: number): Promise<void> {
  let seen: { holder: string; since: number } | undefined
  while (!(await isMade(path, mine))) {
    const holder = await textOf(path)
    if (holder === undefined) continue
    if (holder !== seen?.holder) seen = { holder, since: performance.now() }
    if (performance.now() - seen.since > msMax) await moveAway(path, `${path}.${mine}.partial`, holder)
    else await pause(pollMs)
  }
}

async function isMade(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: 'wx' })
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    const isOpened = error instanceof Error && 'syscall' in error && error.syscall === 'write'
    if (isOpened) await rm(path, { force: true })
    throw diskFailure(error, path)
  }
}

/** Another that takes over too may have been quicker: what was moved is then put back. */
async function moveAway(path: string, aside: string, expected: string): Promise<void> {
  try {
    await rename(path, aside)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return
    throw error
  }
  const moved = await textOf(aside)
  if (moved !== undefined && moved !== expected) await isMade(path, moved)
  await rm(aside, { force: true })
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
