import type { Digest } from '../core/digest.ts'
import type { ClientFacts } from './client.ts'
import { createHistory } from './history.ts'
import { createOperation, type Operation } from './operation.ts'
import type { Task } from './task.ts'

/** The facts of a request that are recorded once its action has ended. */
export interface RequestFacts {
  readonly skipCacheLookup: boolean
  /** It joined an identical action in flight. */
  readonly merged: boolean
}

/** An operation and what belongs to it. */
export interface Entry {
  readonly operation: Operation
  readonly client: ClientFacts
  /** Absent when the request has no action in flight. */
  readonly asked: RequestFacts | undefined
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** The action in flight; undefined once the operation is done. */
  task: Task | undefined
}

/** Every operation that a client may ask for by name: those in flight, and those that ended recently. */
export interface Registry {
  create(digest: Digest, client: ClientFacts, task: Task | undefined, asked?: RequestFacts): Entry
  find(name: string): Entry | undefined
  /** In creation order. */
  entries(): IterableIterator<Entry>
  /** Ends an operation with a serialised ExecuteResponse, and keeps it for WaitExecution. */
  complete(operation: Operation, response: Uint8Array): void
  /** Forgets an operation that is done. */
  forget(operation: Operation): void
  expire(): void
}

/** Ended operations are kept long enough for a client that lost its connection to come back. */
const endedBounds = { countMax: 10_000, bytesMax: 64 * 1024 * 1024, ageMsMax: 10 * 60_000 }
/** Measured heap overhead of an operation in addition to its bytes: names, digest, client metadata. */
const entryBytes = 3.5 * 1024

/** @param newName gives each operation a name that no earlier run of the scheduler has given (rule 28) */
export function createRegistry(newName: () => string, now: () => number): Registry {
  const byName = new Map<string, Entry>()
  const history = createHistory<Operation>(endedBounds, now, ({ name }) => byName.delete(name))
  return {
    create(digest, client, task, asked) {
      const operation = createOperation(newName(), digest)
      const entry: Entry = { operation, client, asked, createdAt: now(), task }
      byName.set(operation.name, entry)
      task?.operations.add(operation)
      return entry
    },
    find: (name) => byName.get(name),
    entries: () => byName.values(),
    complete(operation, response) {
      const entry = byName.get(operation.name)
      if (entry) {
        entry.task?.operations.delete(operation)
        entry.task = undefined
      }
      operation.complete(response)
      history.add(operation, entryBytes + (entry?.client.metadata?.length ?? 0) + operation.keptBytes)
    },
    forget(operation) {
      history.remove(operation)
      byName.delete(operation.name)
    },
    expire: () => history.expire(),
  }
}
