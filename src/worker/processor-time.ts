import type { ResourceUsage } from '../wire/resource-usage.ts'
import { openKernelFile } from './kernel-file.ts'

/** What a slot's processes take of the processors. */
export interface ProcessorMeter {
  /** Since the last call, or else since the meter was made; empty if it is unknown. */
  since(): Pick<ResourceUsage, 'userMs' | 'systemMs'>
  close(): void
}

/** USER_HZ, in which Linux tells times: 100 a second for every architecture that Node runs on. */
const tickMs = 10

/**
 * Measures what the descendants of a slot's shell have used by the time it has waited for them: that of each process is
 * added to that of whoever waits for it. In a PID namespace the shell waits for orphans too; elsewhere these are
 * missing, and so are everywhere processes that nobody waits for because their parent ignores SIGCHLD. A call takes
 * some 10 us.
 */
export function meterProcessorTime(shell: number): ProcessorMeter {
  const stat = openKernelFile(`/proc/${shell}/stat`, 'r')
  let last = ticksIn(stat.read())
  return {
    since() {
      const before = last
      last = ticksIn(stat.read())
      if (!before || !last) return {}
      return { userMs: (last.user - before.user) * tickMs, systemMs: (last.system - before.system) * tickMs }
    },
    close: stat.close,
  }
}

/** cutime and cstime of proc_pid_stat(5). The second of its fields is a name in brackets, which may contain anything. */
function ticksIn(line = ''): { readonly user: number; readonly system: number } | undefined {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [user, system] = [Number(fields[13]), Number(fields[14])]
  return Number.isSafeInteger(user) && Number.isSafeInteger(system) ? { user, system } : undefined
}
