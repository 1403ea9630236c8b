import { readdirSync, readFileSync } from 'node:fs'
import { errnoOf } from '../../src/core/failure.ts'

/** What /proc counts time in: USER_HZ, which is 100 on every platform of Linux that Node has. */
const msPerTick = 10

/** These processes and all of their descendants. */
export function withDescendants(pids: readonly number[]): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = statFields(Number(name))?.[1]
    if (parent !== undefined) children.set(Number(parent), [...(children.get(Number(parent)) ?? []), Number(name)])
  }
  const all: number[] = []
  for (const todo = [...pids]; todo.length > 0; ) {
    const pid = todo.pop() as number
    all.push(pid)
    todo.push(...(children.get(pid) ?? []))
  }
  return all
}

/**
 * CPU time of these processes, their descendants, and descendants that have ended, in
 * milliseconds; its steps are 10 ms for each process.
 */
export function cpuMs(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of withDescendants(pids)) {
    // proc(5), counted from the state: utime, stime, cutime, cstime.
    const fields = statFields(pid)?.slice(11, 15) ?? []
    for (const field of fields) ticks += Number(field)
  }
  return ticks * msPerTick
}

/** Memory of these processes and their descendants in bytes; what several share is counted once in all. */
export function residentBytes(pids: readonly number[]): number {
  let kilobytes = 0
  for (const pid of withDescendants(pids)) {
    const found = /^Pss:\s+(\d+) kB/m.exec(procFile(pid, 'smaps_rollup') ?? '')
    kilobytes += Number(found?.[1] ?? 0)
  }
  return kilobytes * 1024
}

/** The fields of /proc/PID/stat that follow the program's name, which may hold anything. */
function statFields(pid: number): string[] | undefined {
  const text = procFile(pid, 'stat')
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** Undefined when the process has ended meanwhile. */
function procFile(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined
    throw error
  }
}
