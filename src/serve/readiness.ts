import type { HealthSource } from '../wire/health.ts'

/** Whether a server is ready, and who is told of changes. */
export interface Readiness extends HealthSource {
  ready(): boolean
  set(ready: boolean): void
}

/** @param services those whose health can be queried, by their full names */
export function createReadiness(services: readonly { readonly name: string }[], ready: boolean): Readiness {
  const known = new Set(['', ...services.map(({ name }) => name)])
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
