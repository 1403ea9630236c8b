import type { JoinedCluster, OtherWorker } from '../cluster/status.ts'
import { printable } from '../core/printable.ts'
import { table } from './table.ts'

/** The cluster that this machine has joined. */
export function joinedLines(joined: JoinedCluster | null): string[] {
  if (joined === null) return []
  return [`Works for ${printable(joined.scheduler, 1_000)} as ${printable(joined.worker)}`]
}

/** Workers on other machines. */
export function otherLines(workers: readonly OtherWorker[], columns: number): string[] {
  if (workers.length === 0) return []
  const rows = workers.map(({ name, slots, busy, leaving, version }) => [
    printable(name),
    leaving ? 'leaving' : 'connected',
    String(slots),
    String(busy),
    printable(version),
  ])
  return ['', table(['WORKER ELSEWHERE', 'STATE', 'SLOTS', 'BUSY', 'VERSION'], rows, columns)]
}
