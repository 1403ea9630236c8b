import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, Failure } from '../core/failure.ts'

/**
 * Takes a folder for this process alone. The lock is a file that names its process; one whose
 * process has ended is taken over.
 * @returns gives it back
 * @throws Failure 'precondition' when a running process has it
 */
export function lockFolder(directory: string): () => void {
  const path = join(directory, 'lock')
  const own = `${path}.${process.pid}`
  const mine = `${process.pid} ${startOf(process.pid) ?? ''}`
  writeFileSync(own, mine)
  try {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      if (linked(own, path)) return () => release(path, mine)
      const holder = read(path)
      if (holder === undefined) continue
      if (isAlive(holder))
        throw new Failure('precondition', 'another worker uses the folder', {
          where: directory,
          next: [`Stop process ${holder.split(' ')[0]}, or give this worker a folder of its own.`],
        })
      moveAway(path, `${own}.stale`, holder)
    }
    throw new Failure('precondition', 'the lock of the folder keeps changing hands', { where: path })
  } finally {
    unlinkSync(own)
  }
}

/** Making a link is atomic, and fails where something is already. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Another that takes over too may have been quicker: what was moved is then put back. */
function moveAway(path: string, aside: string, expected: string): void {
  try {
    renameSync(path, aside)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return
    throw error
  }
  if (read(aside) !== expected) linked(aside, path)
  unlinkSync(aside)
}

function release(path: string, mine: string): void {
  if (read(path) === mine) unlinkSync(path)
}

/** Process numbers are used again, hence the start time where the system tells it. */
function isAlive(holder: string): boolean {
  const [pid = '', start = ''] = holder.split(' ')
  if (!/^\d+$/.test(pid)) return false
  if (start !== '' && startOf(Number(pid)) !== start) return false
  try {
    process.kill(Number(pid), 0)
    return true
  } catch (error) {
    return errnoOf(error) === 'EPERM'
  }
}

/** Field 22 of /proc/PID/stat; undefined where there is no /proc or no such process. */
function startOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}
