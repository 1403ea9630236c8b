import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { errnoOf, Failure } from '../../core/failure.ts'
import { sendSignal } from '../enclosure.ts'

const stopMsMax = 5_000
const lookEveryMs = 1
const stoppedStates = 'TtZX'
const waitingStates = `S${stoppedStates}`
/** All threads may briefly seem to wait while they hand work to one another, hence several looks. */
const restLooks = 3

/** A tool that is still busy this long after its start is taken for one that never rests. */
const startMsMax = 10_000

/**
 * Waits until a newly started tool only waits for requests, or has ended.
 * @param isOver has it ended?
 * @throws Failure 'unavailable' where its processes cannot be found
 */
export async function atRest(shell: number, isOver: () => boolean): Promise<void> {
  let looks = 0
  for (const until = performance.now() + startMsMax; performance.now() < until && !isOver(); ) {
    const all = descendants(shell)
    looks = all.length > 0 && all.every((pid) => isIn(pid, waitingStates)) ? looks + 1 : 0
    if (looks >= restLooks) return
    await delay(lookEveryMs)
  }
}

/**
 * Stops all descendants of a slot's shell, and waits until none is running: the tool can then neither change its folder
 * while that is read, nor be surprised by what is put there. Whatever a process does, its descendants remain the
 * shell's.
 * @param isOver has the tool ended? As long as it has not, a shell without descendants has not started it yet.
 * @throws Failure 'unavailable' when something does not stop, or cannot be found
 */
export async function stopAll(shell: number, isOver: () => boolean): Promise<void> {
  const signalled = new Set<number>()
  for (const until = performance.now() + stopMsMax; ; ) {
    const all = descendants(shell)
    const fresh = all.filter((pid) => !signalled.has(pid))
    for (const pid of fresh) {
      sendSignal(pid, 'SIGSTOP')
      signalled.add(pid)
    }
    // Once all are stopped, another look finds what one of them had started before.
    const isQuiet = signalled.size > 0 && fresh.length === 0 && all.every((pid) => isIn(pid, stoppedStates))
    if (isOver() || (isQuiet && descendants(shell).every((pid) => signalled.has(pid)))) return
    if (performance.now() > until)
      throw new Failure('unavailable', 'the process of a persistent tool cannot be stopped')
    if (fresh.length === 0) await delay(lookEveryMs)
  }
}

/** Resumes all descendants of a slot's shell. */
export function resumeAll(shell: number): void {
  for (const pid of descendants(shell)) sendSignal(pid, 'SIGCONT')
}

/** The resident memory of all descendants of a slot's shell, in bytes; shared memory counts for each. */
export function memoryOf(shell: number): number {
  let bytes = 0
  for (const pid of descendants(shell)) {
    const [, kibibytes = '0'] = /^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`)) ?? []
    bytes += Number(kibibytes) * 1024
  }
  return bytes
}

/** @throws Failure 'unavailable' where the kernel does not list them (CONFIG_PROC_CHILDREN) */
function descendants(shell: number): number[] {
  if (threads(shell).length > 0 && !existsSync(`/proc/${shell}/task/${shell}/children`) && threads(shell).length > 0)
    throw new Failure('unavailable', 'this machine does not list the processes of a persistent tool', {
      where: `/proc/${shell}/task/${shell}/children`,
    })
  const found: number[] = []
  const ahead = [shell]
  for (let pid = ahead.pop(); pid !== undefined; pid = ahead.pop()) {
    const children = threads(pid)
      .flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(' '))
      .map(Number)
      .filter((child) => child > 0)
    found.push(...children)
    ahead.push(...children)
  }
  return found
}

function isIn(pid: number, states: string): boolean {
  return threads(pid).every((thread) => {
    const text = read(`/proc/${pid}/task/${thread}/stat`)
    // The process name before it may contain anything.
    const state = text[text.lastIndexOf(')') + 2]
    return state === undefined || states.includes(state)
  })
}

/** Empty for a process that has ended. */
function threads(pid: number): string[] {
  return orGone(() => readdirSync(`/proc/${pid}/task`), [])
}

function read(path: string): string {
  return orGone(() => readFileSync(path, 'latin1'), '')
}

function orGone<T>(look: () => T, gone: T): T {
  try {
    return look()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return gone
    throw error
  }
}
