import type { Stored } from '../../core/cache-usage.ts'
import { printable } from '../../core/printable.ts'
import { storedIn } from '../../telemetry/cache-usage.ts'
import { labelOf, type Samples, sumOf } from '../../telemetry/samples.ts'
import type { SchedulerLoad } from '../status.ts'

/** The scheduler's load; null when it does not answer. */
export function loadOf(samples: Samples | undefined): SchedulerLoad | null {
  const [queued, running, workers, slots] = ['queued_actions', 'running_actions', 'workers', 'slots'].map(
    (what) => samples && sumOf(samples, `native_scheduler_${what}`),
  )
  if (!samples || queued === undefined || running === undefined || workers === undefined || slots === undefined)
    return null
  const total = (what: string) => sumOf(samples, `native_scheduler_${what}_total`) ?? 0
  return { queued, running, workers, slots, sinceStart: { ended: total('actions'), cached: total('cached') } }
}

/** The input files cached by the workers that answer, in total; null when none reports it. */
export function workerCachesOf(workers: readonly (Samples | undefined)[]): (Stored & { workers: number }) | null {
  const told = workers
    .flatMap((samples) => (samples ? [storedIn(samples, workerBytes, workerCapacity)] : []))
    .filter(({ limitBytes }) => limitBytes !== null)
  if (told.length === 0) return null
  const sum = (each: (stored: Stored) => number | null) => told.reduce((total, one) => total + (each(one) ?? 0), 0)
  return {
    usedBytes: sum(({ usedBytes }) => usedBytes),
    limitBytes: sum(({ limitBytes }) => limitBytes),
    workers: told.length,
  }
}

/** How many of the workers run actions in a sandbox; null when none reports it. */
export function sandboxedOf(workers: readonly (Samples | undefined)[]): number | null {
  const told = workers.flatMap((samples) => (samples ? (sumOf(samples, 'native_worker_sandboxed') ?? []) : []))
  return told.length === 0 ? null : told.filter((value) => value > 0).length
}

const workerBytes = 'native_worker_cache_bytes'
const workerCapacity = 'native_worker_cache_capacity_bytes'

/** The release that a server reports. */
export function versionIn(samples: Samples | undefined): string | null {
  const version = samples && labelOf(samples, 'native_build_info', 'version')
  return version === undefined ? null : printable(version, 100)
}

/** A sentence if a server's release differs from the caller's. */
export function versionNotes(server: string | null, own: string): string[] {
  if (server === null || server === own) return []
  return [`it runs native ${server}, and this program is ${own}: \`native deploy\` starts it anew with this one`]
}

/** `1.2.3` for a release `1.2.3+build`, as servers report it. */
export function versionOf(release: string): string {
  return release.split('+', 1)[0] ?? release
}
