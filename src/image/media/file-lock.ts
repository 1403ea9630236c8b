import { randomUUID } from 'node:crypto'
import { constants, copyFile, link, readFile, rm, writeFile } from 'node:fs/promises'
import { systemClock } from '../../core/clock.ts'
import { errnoOf } from '../../core/failure.ts'
import { ifThere } from '../../host/files.ts'
import { wait } from '../../host/wait.ts'
import { diskFailure } from '../partial.ts'

const pollMs = 20
/** Work under a lock takes milliseconds; a holder that takes this long has died. */
const holdMsMax = 10_000

/**
 * Runs work on a file under a lock, `<file>.lock` beside it. The folder may be shared between machines, so neither
 * process ids nor clocks show whether a holder is alive: one whose lock stays the same for too long is considered dead.
 * @throws what the work throws; Failure 'denied', 'exhausted' when no lock can be made
 */
export async function withFileLock<T>(file: string, work: () => Promise<T>, msMax = holdMsMax): Promise<T> {
  const path = `${file}.lock`
  const mine = randomUUID()
  await take(path, mine, msMax)
  try {
    return await work()
  } finally {
    if ((await ifThere(readFile(path, 'utf8'))) === mine) await rm(path, { force: true })
  }
}

/** The content of somebody else's lock, and since when we have seen it unchanged. */
interface Seen {
  readonly text: string
  readonly since: number
}

async function take(path: string, mine: string, msMax: number): Promise<void> {
  const own = `${path}.${mine}.partial`
  try {
    await writeFile(own, mine, { flag: 'wx' })
    let holder: Seen | undefined
    let other: Seen | undefined
    while (!(await isLinked(own, path))) {
      holder = again(holder, await ifThere(readFile(path, 'utf8')))
      if (holder && performance.now() - holder.since > msMax)
        other = await takeAway(own, path, holder.text, other, msMax)
      else if (holder) await wait(pollMs, systemClock)
    }
  } catch (error) {
    throw diskFailure(error, path)
  } finally {
    await rm(own, { force: true })
  }
}

/**
 * Removes a dead holder's lock. Only one process may do so at a time, under a lock of its own: between checking whose
 * lock it is and removing it, another process could have taken it over and started work.
 * @param other the process seen doing so before
 */
async function takeAway(
  own: string,
  path: string,
  dead: string,
  other: Seen | undefined,
  msMax: number,
): Promise<Seen | undefined> {
  const next = `${path}.next`
  if (!(await isLinked(own, next))) {
    const seen = again(other, await ifThere(readFile(next, 'utf8')))
    if (seen && performance.now() - seen.since > msMax) await rm(next, { force: true })
    else await wait(pollMs, systemClock)
    return seen
  }
  try {
    if ((await ifThere(readFile(path, 'utf8'))) === dead) await rm(path, { force: true })
  } finally {
    await rm(next, { force: true })
  }
  return undefined
}

function again(before: Seen | undefined, text: string | undefined): Seen | undefined {
  if (text === undefined) return undefined
  return before?.text === text ? before : { text, since: performance.now() }
}

/** Errors of file systems without hard links (FAT, some network file systems). */
const linkless: ReadonlySet<string | undefined> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/**
 * Creates the file if it does not exist. A link appears with its content, or not at all; without links, a file being
 * written may be seen empty for a moment.
 */
async function isLinked(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    if (linkless.has(errnoOf(error))) return isCopied(own, path)
    throw error
  }
}

async function isCopied(own: string, path: string): Promise<boolean> {
  try {
    await copyFile(own, path, constants.COPYFILE_EXCL)
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
}
