import type { Metrics } from '../telemetry/metrics.ts'

/** What the scheduler counts about itself. */
export interface Meters {
  readonly queueSeconds: (seconds: number) => void
  readonly runSeconds: (seconds: number) => void
  /** An action ended. */
  readonly ended: (outcome: string) => void
  /** A client got a result from the action cache. */
  readonly cached: () => void
  /** A client joined an action in flight. */
  readonly merged: () => void
  readonly requeued: () => void
  /** An action was run a second time, or was to be. */
  readonly repeated: (outcome: string) => void
  /** Reports these values whenever the metrics are read. */
  readonly watch: (gauges: Gauges) => void
}

interface Gauges {
  readonly queued: () => number
  readonly running: () => number
  readonly workers: () => number
  readonly slots: () => number
}

export function createMeters(metrics: Metrics): Meters {
  const queue = metrics.histogram('native_scheduler_queue_seconds', 'How long actions waited for a worker.')
  const run = metrics.histogram('native_scheduler_run_seconds', 'How long actions were in a worker’s hands.')
  const ended = metrics.counter('native_scheduler_actions_total', 'Actions by how they ended.', ['outcome'])
  const cached = metrics.counter('native_scheduler_cached_total', 'Executions answered from the action cache.')
  const merged = metrics.counter('native_scheduler_merged_total', 'Executions that joined an action in flight.')
  const requeued = metrics.counter('native_scheduler_requeued_total', 'Actions queued again after a worker was lost.')
  const repeated = metrics.counter('native_scheduler_repeats_total', 'Second runs of actions by how they ended.', [
    'outcome',
  ])
  return {
    queueSeconds: (seconds) => queue.observe(seconds),
    runSeconds: (seconds) => run.observe(seconds),
    ended: (outcome) => ended.inc({ outcome }),
    cached: () => cached.inc(),
    merged: () => merged.inc(),
    requeued: () => requeued.inc(),
    repeated: (outcome) => repeated.inc({ outcome }),
    watch({ queued, running, workers, slots }) {
      metrics.gauge('native_scheduler_queued_actions', 'Actions that wait for a worker.', [], queued)
      metrics.gauge('native_scheduler_running_actions', 'Actions in workers’ hands.', [], running)
      metrics.gauge('native_scheduler_workers', 'Connected workers.', [], workers)
      metrics.gauge('native_scheduler_slots', 'Actions that connected workers can run at once.', [], slots)
    },
  }
}
