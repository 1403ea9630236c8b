import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * Kills a process group leader with all that can be found to belong to it: its group, its
 * descendants (those that made a group or session of their own too), and whatever works in
 * the given folder, which finds those whose parent has ended. Where there is no /proc (macOS)
 * it is the group alone.
 */
export function killTree(leader: number, folder?: string): void {
  // A process may start another while we look: look again until nothing new is found.
  const killed = new Set<number>()
  for (let round = 0; round < 10; round += 1) {
    const found = [...descendants(leader), ...(folder ? workingIn(folder) : [])].filter((pid) => !killed.has(pid))
    if (round === 0) {
      kill(-leader)
      kill(leader)
    }
    for (const pid of found) {
      killed.add(pid)
      kill(pid)
    }
    if (found.length === 0) return
  }
}

/** The system error's code. Stands here too so that the spawner imports little. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // It has ended already, or became another user's.
    if (errnoOf(error) !== 'ESRCH' && errnoOf(error) !== 'EPERM') throw error
  }
}

function descendants(leader: number): number[] {
  const children = new Map<number, number[]>()
  for (const pid of allProcesses()) {
    const parent = parentOf(pid)
    if (parent === undefined) continue
    const siblings = children.get(parent)
    if (siblings) siblings.push(pid)
    else children.set(parent, [pid])
  }
  const found: number[] = []
  const queue = [leader]
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    const own = children.get(pid) ?? []
    found.push(...own)
    queue.push(...own)
  }
  return found
}

function workingIn(folder: string): number[] {
  return allProcesses().filter((pid) => {
    const at = quietly(() => readlinkSync(`/proc/${pid}/cwd`))
    return at !== undefined && (at === folder || at.startsWith(`${folder}/`)) && pid !== process.pid
  })
}

function allProcesses(): number[] {
  const names = quietly(() => readdirSync('/proc')) ?? []
  return names.filter((name) => /^\d+$/.test(name)).map(Number)
}

/** The fourth field of /proc/PID/stat; the second is a name in brackets that may hold anything. */
function parentOf(pid: number): number | undefined {
  const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
  return stat === undefined ? undefined : Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}

/** A look at /proc: processes end while they are looked at, and not every system has it. */
export function quietly<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}
