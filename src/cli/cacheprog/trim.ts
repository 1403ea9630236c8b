import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '../../core/clock.ts'
import { errnoOf } from '../../core/failure.ts'
import { ifThere } from '../../host/files.ts'

/** The disk space of a small file. */
const fileBytesMin = 4096
/** The share of the limit that is kept when something has to be removed. */
const keptShare = 0.8
/** A mark left by a dead program or an interrupted removal is ignored after this time. */
const markMsMax = 24 * 60 * 60 * 1000
const removalMsMax = 60_000
/** A removal stops after half of this time; the next one does the rest. */
const removingMsMax = 30_000
/** The folder is scanned no more often than this, unless much was added. */
const lookMsMin = 10 * 60_000
const muchShare = 0.1
const pollMs = 20

/** A program's use of the folder: nothing is removed while another program uses it. */
export interface Use {
  /**
   * Ends this use; if nobody else uses the folder and it exceeds the limit, the least recently used files are removed.
   * @param addedBytes added by this use
   * @returns bytes that were removed
   */
  end(bytesMax: number, addedBytes: number): Promise<number>
}

/**
 * Marks the folder as used by this program, and waits for a removal in progress. Two marks keep a file from
 * disappearing between being found and being read: a remover sets its mark before it looks for users, and a user sets
 * its mark before it looks for a remover, so at least one of the two sees the other.
 */
export async function beginUse(root: string, clock: Clock = systemClock): Promise<Use> {
  const users = join(root, 'users')
  const removal = join(root, 'removal')
  await mkdir(users, { recursive: true, mode: 0o700 })
  const mine = `${process.pid}-${randomUUID()}`
  await writeFile(join(users, mine), '', { mode: 0o600 })
  while (await isYoung(removal, removalMsMax, clock)) await new Promise((resolve) => setTimeout(resolve, pollMs))
  return {
    async end(bytesMax, addedBytes) {
      try {
        if (addedBytes < bytesMax * muchShare && (await isYoung(join(root, 'looked'), lookMsMin, clock))) return 0
        if (!(await claimed(removal, clock))) return 0
        try {
          if (!(await isAlone(users, mine, clock))) return 0
          await writeFile(join(root, 'looked'), '', { mode: 0o600 })
          return await removeOldest(root, bytesMax, clock)
        } finally {
          await rm(removal, { force: true })
        }
      } finally {
        await rm(join(users, mine), { force: true })
      }
    },
  }
}

async function claimed(removal: string, clock: Clock): Promise<boolean> {
  if (!(await isYoung(removal, removalMsMax, clock))) await rm(removal, { force: true })
  try {
    await writeFile(removal, '', { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
}

async function isAlone(users: string, mine: string, clock: Clock): Promise<boolean> {
  for (const name of await readdir(users)) {
    if (name === mine) continue
    if (isAlive(Number(name.split('-')[0])) && (await isYoung(join(users, name), markMsMax, clock))) return false
    await rm(join(users, name), { force: true })
  }
  return true
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it runs, as another user.
    return errnoOf(error) === 'EPERM'
  }
}

async function isYoung(path: string, msMax: number, clock: Clock): Promise<boolean> {
  const stats = await ifThere(stat(path))
  return stats !== undefined && stats.mtimeMs > clock.now() - msMax
}

interface Found {
  readonly path: string
  readonly bytes: number
  readonly usedMs: number
}

async function removeOldest(root: string, bytesMax: number, clock: Clock): Promise<number> {
  const untilMs = clock.now() + removingMsMax
  const files: Found[] = []
  for (const kind of ['outputs', 'actions'])
    for (const name of await readdir(join(root, kind))) files.push(...(await filesIn(join(root, kind, name))))
  // Left by a program that was killed while writing.
  for (const name of await readdir(root)) if (name.endsWith('.part')) await rm(join(root, name), { force: true })
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0)
  if (total <= bytesMax) return 0
  let left = total
  for (const { path, bytes } of files.toSorted((a, b) => a.usedMs - b.usedMs)) {
    if (left <= bytesMax * keptShare || clock.now() > untilMs) break
    await unlink(path)
    left -= bytes
  }
  return total - left
}

async function filesIn(folder: string): Promise<Found[]> {
  const found: Found[] = []
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const { size, mtimeMs } = await stat(path)
    found.push({ path, bytes: Math.max(fileBytesMin, size), usedMs: mtimeMs })
  }
  return found
}
