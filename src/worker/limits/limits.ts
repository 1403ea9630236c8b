/** What one action may take; what is not set has no bound but the machine's. */
export interface Limits {
  readonly memoryBytes?: number | undefined
  /** Processors; 0.5 is half the time of one. */
  readonly cpus?: number | undefined
  /** Processes and threads at once. */
  readonly pids?: number | undefined
  /** The largest file that it may write. */
  readonly fileBytes?: number | undefined
  /** What it may write to its own folders together. */
  readonly diskBytes?: number | undefined
}

/** How often an action met a limit. */
export interface LimitCounts {
  /** Processes that were killed for memory. */
  readonly memoryKills: number
  /** Processes that could not be started. */
  readonly pidsRefused: number
  /** Was it killed for what it has written? */
  readonly diskFull?: boolean
}

/** Keeps the processes of one slot within limits. */
export interface Keeper {
  /** Since this was last called, or else since the slot was made. */
  newCounts(): LimitCounts
  /** The slot has ended. */
  remove(): void
}

/**
 * Limits that each process has of its own, as lines of a POSIX shell: where there is no cgroup, memory is what each may
 * have of it. (RLIMIT_DATA, not RLIMIT_AS: Java and Go reserve much more than they use.)
 * @param own what else has to be limited this way: pids only where a user namespace counts them apart
 */
export function limitLines(limits: Limits, own: { readonly memory: boolean; readonly pids: boolean }): string[] {
  const { memoryBytes, pids } = limits
  // One file of more than all may have together is stopped at once.
  const fileBytes = fileLimit(limits)
  return [
    ...(fileBytes === undefined ? [] : [`ulimit -f ${Math.max(1, Math.ceil(fileBytes / 512))}`]),
    ...(memoryBytes === undefined || !own.memory ? [] : [`ulimit -d ${Math.max(1, Math.ceil(memoryBytes / 1024))}`]),
    // The slot's shell is one of them; dash has another letter than the others, and some shells have none.
    ...(pids === undefined || !own.pids
      ? []
      : [`ulimit -u ${pids + 1} 2>/dev/null || ulimit -p ${pids + 1} 2>/dev/null || :`]),
  ].map((line) => `{ ${line}; } || exit 126`)
}

/** The largest file that an action may write. */
export function fileLimit({ fileBytes, diskBytes }: Limits): number | undefined {
  if (fileBytes === undefined || diskBytes === undefined) return fileBytes ?? diskBytes
  return Math.min(fileBytes, diskBytes)
}

/** What a user should know about configured limits that no cgroup enforces. @param kept the limits that cgroups enforce */
export function unkeptTexts({ memoryBytes, cpus }: Limits, kept: readonly string[]): string[] {
  const why = 'because this worker may not create cgroups'
  return [
    ...(memoryBytes !== undefined && !kept.includes('memory')
      ? [`limits.memory is enforced for each process of an action, not for all of them together, ${why}`]
      : []),
    ...(cpus !== undefined && !kept.includes('cpu') ? [`limits.cpus is not enforced, ${why}`] : []),
  ]
}
