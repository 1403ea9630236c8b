import { closeSync, openSync, readSync } from 'node:fs'
import { errnoOf } from '../core/failure.ts'
import type { ResourceUsage } from '../wire/resource-usage.ts'

/** What a slot's processes take of the processors. */
export interface ProcessorMeter {
  /** Since the last call, or else since the meter was made; empty if it is unknown. */
  since(): Pick<ResourceUsage, 'userMs' | 'systemMs'>
  close(): void
}

/** USER_HZ, in which Linux tells times: 100 a second for every architecture that Node runs on. */
const tickMs = 10
/** A line of some fifty numbers. */
const lineBytesMax = 2048

/**
 * Measures what the descendants of a slot's shell have used by the time it has waited for them: that of each process is
 * added to that of whoever waits for it. In a PID namespace the shell waits for orphans too; elsewhere these are
 * missing, and so are everywhere processes that nobody waits for because their parent ignores SIGCHLD. A call takes
 * some 10 us.
 */
export function meterProcessorTime(shell: number): ProcessorMeter {
  const file = orUnknown(() => openSync(`/proc/${shell}/stat`, 'r'))
  if (file === undefined) return { since: () => ({}), close: () => undefined }
  const line = Buffer.allocUnsafe(lineBytesMax)
  // The file stands for this very process, even if another gets its number.
  const look = () => orUnknown(() => ticksIn(line.toString('latin1', 0, readSync(file, line, 0, lineBytesMax, 0))))
  let last = look()
  return {
    since() {
      const before = last
      last = look()
      if (!before || !last) return {}
      return { userMs: (last.user - before.user) * tickMs, systemMs: (last.system - before.system) * tickMs }
    },
    close: () => closeSync(file),
  }
}

/** cutime and cstime of proc_pid_stat(5). The second of its fields is a name in brackets, which may contain anything. */
function ticksIn(line: string): { readonly user: number; readonly system: number } | undefined {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [user, system] = [Number(fields[13]), Number(fields[14])]
  return Number.isSafeInteger(user) && Number.isSafeInteger(system) ? { user, system } : undefined
}

function orUnknown<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}
