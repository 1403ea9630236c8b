import { availableParallelism, totalmem } from 'node:os'
import { type AskedLimits, limitNames } from '../../core/limit-properties.ts'
import type { PlatformProperty } from '../../core/platform.ts'
import type { Limits } from './limits.ts'

/** The limits of an action that asks for these, within those of every action. */
export function limitsFor(limits: Limits, { memory, cpus, pids, disk }: AskedLimits): Limits {
  return {
    ...limits,
    memoryBytes: smaller(limits.memoryBytes, memory),
    cpus: smaller(limits.cpus, cpus),
    pids: smaller(limits.pids, pids),
    diskBytes: smaller(limits.diskBytes, disk),
  }
}

/** The most that an action may ask for here, by the properties' names: where no limit is set, what the machine has. */
export function largestLimits({ memoryBytes, cpus, pids, diskBytes }: Limits): PlatformProperty[] {
  const largest = {
    memory: memoryBytes ?? machineMemory(),
    cpus: cpus ?? availableParallelism(),
    pids,
    disk: diskBytes,
  }
  return limitNames.flatMap((name) => (largest[name] === undefined ? [] : [{ name, value: String(largest[name]) }]))
}

/** In bytes; in a container, what that may use. */
function machineMemory(): number {
  const constrained = process.constrainedMemory()
  return constrained > 0 ? Math.min(totalmem(), constrained) : totalmem()
}

function smaller(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
}
