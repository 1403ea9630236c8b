// One set-up at a time in a checkout: two concurrent `npm ci` in one folder break each other.
import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { linkSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const pauseMs = 300
/** A set-up takes minutes; one that takes longer is stuck. */
const waitMsMax = 30 * 60_000
/** How many names to try: in a world-writable folder, others may have taken some. */
const namesMax = 16

/**
 * Does the work while no other process of this user works on this folder. The lock is a file with its holder's process
 * id and start time. A lock whose holder is gone, or that names none, is taken over; another user's file is ignored.
 * @param say called when there is somebody to wait for
 * @throws Error when a holder does not finish
 */
export async function locked(folder, say, work) {
  const mine = `${process.pid} ${startOf(process.pid)}`
  const until = Date.now() + waitMsMax
  let file = take(folder, mine)
  for (let told; typeof file !== 'string'; file = take(folder, mine)) {
    const { path, pid } = file
    if (told !== pid) say(`process ${pid} sets this checkout up; waiting for it (its lock is ${path})`)
    told = pid
    if (Date.now() > until)
      throw new Error(`process ${pid} does not come to an end: end it, or remove ${path}, and run this again`)
    await pause(pauseMs)
  }
  const release = () => {
    if (textOf(file) === mine) rmSync(file, { force: true })
  }
  process.once('exit', release)
  try {
    await work()
  } finally {
    process.off('exit', release)
    release()
  }
}

/** The path of the lock once we hold it, otherwise its path and holder. */
function take(folder, mine) {
  const name = `native-setup-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`
  for (let number = 0; number < namesMax; number += 1) {
    const path = join(tmpdir(), `${name}${number === 0 ? '' : `-${number}`}.lock`)
    // Twice: again after removing a stale lock.
    for (const _ of [1, 2]) {
      if (make(path, mine)) return path
      const text = textOf(path)
      if (text === undefined) break
      const pid = holderIn(text)
      if (pid !== undefined) return { path, pid }
      takeAway(path, text)
    }
  }
  throw new Error(`cannot make a lock in ${tmpdir()}: others have all the names that it could have`)
}

/** Creates the file together with its text, so that nobody sees it empty. */
function make(path, text) {
  const aside = `${path}.${randomUUID()}`
  writeFileSync(aside, text, { flag: 'wx', mode: 0o600 })
  try {
    linkSync(aside, path)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(aside)
  }
}

/** The content of this user's file; undefined for anything else at the path, which is not ours to judge. */
function textOf(path) {
  try {
    const facts = lstatSync(path)
    if (!facts.isFile() || (process.getuid && facts.uid !== process.getuid())) return undefined
    return readFileSync(path, 'utf8')
  } catch (error) {
    // Gone meanwhile: treated as empty; whoever creates it next is seen then.
    if (error.code === 'ENOENT') return ''
    throw error
  }
}

/** The process named in a text, if that very process still runs: its id may have been reused. */
function holderIn(text) {
  const [, pid, start] = /^(\d+) (.+)$/s.exec(text) ?? []
  return pid !== undefined && startOf(Number(pid)) === start ? Number(pid) : undefined
}

/** Renamed first, so that of two processes that find it stale only one removes it. */
function takeAway(path, text) {
  const aside = `${path}.${randomUUID()}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (error.code === 'ENOENT') return
    throw error
  }
  if (textOf(aside) === text) rmSync(aside)
  else renameSync(aside, path) // another process was quicker, and this is its lock
}

/** A process's start time, as the system writes it; undefined if there is no such process. */
function startOf(pid) {
  try {
    if (process.platform !== 'linux')
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // After the name, which may contain anything. A zombie is gone.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    return fields[0] === 'Z' ? undefined : `${boot} ${fields[19]}`
  } catch {
    // No such process: ps exits with 1, and /proc has no such folder.
    return undefined
  }
}
