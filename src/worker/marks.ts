import { readdirSync, readFileSync } from 'node:fs'
import { errnoOf } from '../core/failure.ts'

/** Up to this many process ids are probed one by one; beyond that all processes are listed. */
const triedMax = 500

/** This process's limit of file locks; the highest possible mark. */
export function locksMax(): number {
  const hard = Number(/^Max file locks\s+\S+\s+(\d+)/m.exec(read('/proc/self/limits') ?? '')?.[1])
  return hard > 1 ? hard : Number.MAX_SAFE_INTEGER
}

/** The id that the system gave last to a process or a thread; undefined where it does not say. */
export function lastProcess(): number | undefined {
  const last = Number(read('/proc/loadavg')?.split(' ')[4])
  return Number.isInteger(last) ? last : undefined
}

/**
 * The live processes that have a mark.
 * @param after only those started after the process with this id, where that is certain
 */
export function markedProcesses(mark: string, after?: number): number[] {
  return candidates(after).filter((pid) => markOf(pid) === mark && !hasEnded(pid))
}

/** Ids are assigned in order, and wrap around at some point. */
function candidates(after: number | undefined): number[] {
  const last = lastProcess()
  if (after !== undefined && last !== undefined && last >= after && last - after <= triedMax)
    return Array.from({ length: last - after }, (_, at) => after + 1 + at)
  return readdirSync('/proc').map(Number).filter(Number.isInteger)
}

function markOf(pid: number): string | undefined {
  return /^Max file locks\s+(\d+)/m.exec(read(`/proc/${pid}/limits`) ?? '')?.[1]
}

function hasEnded(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`) ?? ''
  return !/^ [^ZX]/.test(stat.slice(stat.lastIndexOf(')') + 1))
}

/** Processes may end while they are examined. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}
