import { instanceNames, type UsedInstances } from '../core/instance.ts'
import { printable } from '../core/printable.ts'
import type { Count, Metrics } from '../telemetry/metrics.ts'

/** The instance names in a server's configuration; their use is counted. */
export function countedInstances(names: readonly string[], metrics: Metrics): UsedInstances {
  const calls = metrics.counter('native_instance_calls_total', 'Calls by the instance name that they used.', [
    'instance',
  ])
  // Looking a count up by its labels takes longer than most of a call; there are few names.
  const counts = new Map<string, Count>()
  return instanceNames(names, (instance) => {
    let count = counts.get(instance)
    if (!count) {
      count = calls.of({ instance })
      counts.set(instance, count)
    }
    count.add()
  })
}

/** Lists for people the names that clients use, if any is not the empty one. */
export function instanceNotes(instances: UsedInstances): string[] {
  const used = instances.used()
  if (used.every((name) => name === '')) return []
  return [`instance names in use, all of which mean this one instance: ${used.map(quoted).join(', ')}`]
}

function quoted(name: string): string {
  return name === '' ? 'the empty name' : `"${printable(name)}"`
}
