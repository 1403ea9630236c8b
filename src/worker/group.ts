import { randomInt } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Enclosed, type Enclosure, reopenedStreams, sendSignal } from './enclosure.ts'
import { lastProcess, locksMax, markedProcesses } from './marks.ts'
import { groupScript } from './slot-script.ts'

/** After this time an action may have started so many processes that process ids have wrapped around. */
const numbersHoldMs = 1000
/** The most rounds of looking for marked processes while there are any. */
const roundsMax = 1000

/**
 * A process group, for systems without namespaces. On Linux its processes are also marked, so that those that leave the
 * group are found. Limits: a process that lowers its own limit of file locks is not found, and one that forks faster
 * than its children are killed is not ended.
 */
export function groupEnclosure(isMarked: boolean): Enclosure {
  const mark = isMarked ? freshMark() : ''
  return {
    kind: isMarked ? 'marks' : 'group',
    once: !isMarked,
    argv: [],
    streams: isMarked ? reopenedStreams : '>&3 2>&4',
    script: groupScript,
    mark,
    prefix: [],
    enclosed: (pid) => (isMarked ? marked(pid, mark) : grouped(pid)),
  }
}

/** Different for each slot: slots must not kill each other's processes. */
function freshMark(): string {
  return String(randomInt(1, Math.min(locksMax(), 2 ** 47)))
}

function grouped(shell: number): Enclosed {
  return {
    shell,
    // The shell ignores SIGTERM.
    async terminate() {
      sendSignal(-shell, 'SIGTERM')
      sendSignal(-shell, 'SIGCONT')
    },
    async kill() {
      sendSignal(-shell, 'SIGKILL')
    },
    begin: () => undefined,
    // Processes left in the group cannot be told from the shell, so the slot is used only once.
    async end() {
      sendSignal(-shell, 'SIGKILL')
    },
  }
}

function marked(shell: number, mark: string): Enclosed {
  let begunAt = 0
  let before: number | undefined
  /** If nothing was started, which the process ids show, nothing can be left. */
  const since = () => (performance.now() - begunAt < numbersHoldMs ? before : undefined)
  const killAll = async (after?: number) => {
    for (let round = 0; round < roundsMax; round += 1) {
      const left = markedProcesses(mark, after)
      if (left.length === 0) return
      for (const pid of left) sendSignal(pid, 'SIGKILL')
      await nextTurn()
    }
  }
  return {
    shell,
    async terminate() {
      const all = markedProcesses(mark)
      for (const signal of ['SIGTERM', 'SIGCONT'] as const) for (const pid of all) sendSignal(pid, signal)
    },
    async kill() {
      sendSignal(-shell, 'SIGKILL')
      await killAll()
    },
    begin() {
      begunAt = performance.now()
      before = lastProcess()
    },
    end: () => killAll(since()),
  }
}
