import type { HealthSource } from '../wire/health.ts'

/** Whether a server is ready, and who is told of changes. */
export interface Readiness extends HealthSource {
  ready(): boolean
  set(ready: boolean): void
}

/** @param services the full names of the services whose health can be queried */
export function createReadiness(services: readonly string[], ready: boolean): Readiness {
  const known = new Set(['', ...services])
  const watchers = new Set<() => void>()
  let state = ready
  return {
    ready: () => state,
    set(next) {
      if (next === state) return
      state = next
      for (const changed of watchers) changed()
    },
    status: (service) => (known.has(service) ? (state ? 'serving' : 'not-serving') : undefined),
    watch(changed) {
      watchers.add(changed)
      return () => watchers.delete(changed)
    },
  }
}
