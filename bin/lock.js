// One set-up at a time in a checkout: two npm ci in one folder spoil each other's work.
import { createHash } from 'node:crypto'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const pauseMs = 300

/**
 * Does the work while no other process does work of this folder. The lock is a file that
 * names its holder; of a holder that is gone it is taken over.
 * @param say is told when there is somebody to wait for
 */
export async function locked(folder, say, work) {
  const file = join(tmpdir(), `native-setup-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}.lock`)
  let told = false
  while (!take(file)) {
    const holder = holderOf(file)
    if (holder !== undefined && !isRunning(holder)) takeAway(file, holder)
    else {
      if (!told && holder !== undefined) say(`process ${holder} sets this checkout up; waiting for it`)
      told = true
      await pause(pauseMs)
    }
  }
  const release = () => rmSync(file, { force: true })
  process.once('exit', release)
  try {
    await work()
  } finally {
    process.off('exit', release)
    release()
  }
}

function take(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function holderOf(file) {
  try {
    // Empty for the moment between its making and its writing.
    return Number(readFileSync(file, 'utf8')) || undefined
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Renamed first, so that of two who find it stale only one removes it. */
function takeAway(file, holder) {
  const mine = `${file}.${process.pid}`
  try {
    renameSync(file, mine)
  } catch (error) {
    if (error.code === 'ENOENT') return
    throw error
  }
  if (holderOf(mine) === holder) rmSync(mine)
  else renameSync(mine, file) // another one was quicker, and this is its lock
}

function isRunning(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
