import { join } from 'node:path'
import { openKernelFile } from '../kernel-file.ts'

/** The most memory that one action after the other holds in a cgroup. */
export interface PeakMemory {
  /** An action begins. */
  begin(): void
  /** In bytes, since then; undefined if it is unknown. */
  peak(): number | undefined
  close(): void
}

/** By the version of cgroups: what is held now, and the most since somebody wrote to this very open file. */
const fileNames = {
  1: ['memory.usage_in_bytes', 'memory.max_usage_in_bytes'],
  2: ['memory.current', 'memory.peak'],
} as const

/**
 * Reads the kernel's own count, which includes what it caches of files for the cgroup: it may be more than the action
 * needs, and is never less. Some of it may be left by the actions before. If that was most of it when the action began,
 * the count says too little about this one, and is unknown. So it is in version 2 before Linux 6.12, which cannot set
 * it back.
 * @param folder of the cgroup
 */
export function watchPeakMemory(folder: string, version: 1 | 2): PeakMemory {
  const [usageName, peakName] = fileNames[version]
  const usage = openKernelFile(join(folder, usageName), 'r')
  const most = openKernelFile(join(folder, peakName), 'r+')
  let before = Number.NaN
  return {
    begin() {
      before = most.write('0') ? Number(usage.read()) : Number.NaN
    },
    peak() {
      const bytes = Number(most.read())
      return before <= bytes / 2 ? bytes : undefined
    },
    close() {
      usage.close()
      most.close()
    },
  }
}
