import type { ClientFacts } from './client.ts'
import type { Registry } from './registry.ts'
import type { Task } from './task.ts'

/** Which actions a client follows. */
export interface Wanted {
  /** Prefix of the clients' invocation IDs; empty for all. */
  readonly invocationPrefix: string
  /** The hash of a single action's digest; empty for all. */
  readonly actionHash: string
}

/** Queued or running operations of some clients, and whose they are. */
export interface Flight {
  readonly operations: number
  /** The clients' invocations; at most invocationsShown. */
  readonly invocations: string[]
  /** Runs that are not reported. */
  readonly skipped: number
}

const invocationsShown = 20

/** The clients for whom a task is followed, once for each of their operations; empty for one that is not. */
export function* followedClients(registry: Registry, task: Task, wanted: Wanted): Iterable<ClientFacts> {
  if (wanted.actionHash !== '' && task.digest.hash !== wanted.actionHash) return
  for (const { name } of task.operations) {
    const client = registry.find(name)?.client
    if (client?.invocation.startsWith(wanted.invocationPrefix)) yield client
  }
}

export function flightOf(registry: Registry, active: Iterable<Task>, wanted: Wanted, skipped: number): Flight {
  const invocations = new Set<string>()
  let operations = 0
  for (const task of active)
    for (const { invocation } of followedClients(registry, task, wanted)) {
      operations += 1
      if (invocations.size < invocationsShown) invocations.add(invocation)
    }
  return { operations, invocations: [...invocations].sort(), skipped }
}

export function sameFlight(one: Flight, other: Flight): boolean {
  return (
    one.operations === other.operations &&
    one.skipped === other.skipped &&
    one.invocations.join('\n') === other.invocations.join('\n')
  )
}
