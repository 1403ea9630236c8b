/** What one action may use; what is not set is limited only by the machine. */
export interface Limits {
  readonly memoryBytes?: number | undefined
  /** Processors; 0.5 is half the time of one. */
  readonly cpus?: number | undefined
  /** Processes and threads at once. */
  readonly pids?: number | undefined
  /** The largest file that it may write. */
  readonly fileBytes?: number | undefined
  /** How much it may write to all its folders together. */
  readonly diskBytes?: number | undefined
}

/** How often an action met a limit. */
export interface LimitCounts {
  /** Processes that were killed for memory. */
  readonly memoryKills: number
  /** Processes that could not be started. */
  readonly pidsRefused: number
  /** Was it killed for writing too much? */
  readonly diskFull?: boolean
}

/** Keeps the processes of one slot within limits. */
export interface Keeper {
  /** An action begins. */
  begin(): void
  /** Counts since the last call, or else since the slot was made. */
  newCounts(): LimitCounts
  /** The most memory since an action began, in bytes; undefined if it is unknown. */
  peakMemory(): number | undefined
  /** The slot has ended. */
  remove(): void
}

/**
 * Per-process limits, as lines of a POSIX shell: without a cgroup, the memory limit applies to each process by itself.
 * (RLIMIT_DATA, not RLIMIT_AS: Java and Go reserve much more than they use.)
 * @param own what has to be limited this way; pids only where a user namespace counts them separately
 */
export function limitLines(limits: Limits, own: { readonly memory: boolean; readonly pids: boolean }): string[] {
  const { memoryBytes, pids } = limits
  // A single file larger than the disk limit is stopped at once.
  const fileBytes = fileLimit(limits)
  return [
    ...(fileBytes === undefined ? [] : [`ulimit -f ${Math.max(1, Math.ceil(fileBytes / 512))}`]),
    ...(memoryBytes === undefined || !own.memory ? [] : [`ulimit -d ${Math.max(1, Math.ceil(memoryBytes / 1024))}`]),
    // The slot's shell counts as one; dash uses a different option letter than the others, and some shells have none.
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
