import { randomUUID } from 'node:crypto'
import { constants, copyFile, link, readFile, rm, writeFile } from 'node:fs/promises'
import { systemClock } from '../../core/clock.ts'
import { errnoOf } from '../../core/failure.ts'
import { wait } from '../../host/wait.ts'
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

/** A text that somebody else has written, and since when it has been this one, as we have seen it. */
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
      holder = again(holder, await textOf(path))
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
 * Removes the lock of a holder that is dead. Only one may do so at a time, under a lock of its own: between looking
 * whose lock it is and removing it, another could have taken it over, and be at work.
 * @param other who was seen doing so before
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
    const seen = again(other, await textOf(next))
    if (seen && performance.now() - seen.since > msMax) await rm(next, { force: true })
    else await wait(pollMs, systemClock)
    return seen
  }
  try {
    if ((await textOf(path)) === dead) await rm(path, { force: true })
  } finally {
    await rm(next, { force: true })
  }
  return undefined
}

function again(before: Seen | undefined, text: string | undefined): Seen | undefined {
  if (text === undefined) return undefined
  return before?.text === text ? before : { text, since: performance.now() }
}

/** File systems without hard links (FAT, some of networks) say one of these. */
const linkless: ReadonlySet<string | undefined> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/**
 * Makes the file where none is. A link is there with its text, or not at all; where there are no links, one that
 * somebody is about to write is seen empty for a moment.
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

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
