// One set-up at a time in a checkout: two npm ci in one folder spoil each other's work.
import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { linkSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const pauseMs = 300
/** A set-up takes minutes; one that takes longer is stuck. */
const waitMsMax = 30 * 60_000
/** Names that others may have taken in a folder which everybody writes to. */
const namesMax = 16

/**
 * Does the work while no other process of this user does work of this folder. The lock is a file
 * that names its holder and when that started: of a holder that is gone, and of a file that names
 * none, it is taken over; what is another user's counts for nothing.
 * @param say is told when there is somebody to wait for
 * @throws Error when a holder does not come to an end
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

/** The path of the lock once it is ours, or else where it is and who has it. */
function take(folder, mine) {
  const name = `native-setup-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`
  for (let number = 0; number < namesMax; number += 1) {
    const path = join(tmpdir(), `${name}${number === 0 ? '' : `-${number}`}.lock`)
    // Twice: once more when it was taken away from one that is gone.
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

/** Makes the file with its text in it, so that nobody sees it empty. */
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

/** What a file of this user's holds; undefined for all else that may be there, which is not ours to judge. */
function textOf(path) {
  try {
    const facts = lstatSync(path)
    if (!facts.isFile() || (process.getuid && facts.uid !== process.getuid())) return undefined
    return readFileSync(path, 'utf8')
  } catch (error) {
    // Gone meanwhile: as good as empty, whoever makes it next is seen then.
    if (error.code === 'ENOENT') return ''
    throw error
  }
}

/** The process that a text names, if it is that very one which runs: its number may have gone to another. */
function holderIn(text) {
  const [, pid, start] = /^(\d+) (.+)$/s.exec(text) ?? []
  return pid !== undefined && startOf(Number(pid)) === start ? Number(pid) : undefined
}

/** Renamed first, so that of two who find it stale only one removes it. */
function takeAway(path, text) {
  const aside = `${path}.${randomUUID()}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (error.code === 'ENOENT') return
    throw error
  }
  if (textOf(aside) === text) rmSync(aside)
  else renameSync(aside, path) // another one was quicker, and this is its lock
}

/** When a process started, as the system writes it; undefined when there is none. */
function startOf(pid) {
  try {
    if (process.platform !== 'linux')
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // After the name, which may hold anything. A zombie is gone.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    return fields[0] === 'Z' ? undefined : `${boot} ${fields[19]}`
  } catch {
    // No such process: ps ends with 1, and /proc has no such folder.
    return undefined
  }
}
