import { join } from 'node:path'
import type { LocalHistory } from '../core/build-history.ts'
import type { Clock } from '../core/clock.ts'
import { Failure, messageOf } from '../core/failure.ts'
import type { InvocationHistory } from '../core/invocation.ts'
import type { Secret } from '../core/secret.ts'
import { createExplanations, type Explanations } from '../explain/explanations.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Channel, Service } from '../wire/rpc.ts'
import { besService } from './bes/service.ts'
import { createComparer } from './comparer.ts'
import { explanationStore } from './explanation-store.ts'
import { openHistory } from './history.ts'
import { historyService } from './history-service.ts'
import { localHistory } from './local-history.ts'
import type { Bounds } from './prune.ts'
import { createReader } from './reader.ts'
import { recorderService } from './recorder-service.ts'

export interface ConsoleOptions {
  /** The folder of the history; created if necessary. */
  readonly folder: string
  readonly bounds: Bounds
  /** The server that stores the Actions. */
  readonly cas: Channel
  /** The secret by which servers that report events prove themselves; if absent, anyone who reaches this server may. */
  readonly secret?: Secret | undefined
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

export interface Console {
  /** Recorder, History and PublishBuildEvent. */
  readonly services: readonly Service[]
  /** The same for this process. */
  readonly history: LocalHistory & InvocationHistory
  /** Of its builds, also for the web pages. */
  readonly explanations: Explanations
  /** What keeps the history from being written, for people. */
  notes(): string[]
  /** Settles when nothing waits to be read. */
  idle(): Promise<void>
  close(): void
}

/** How often the limits are checked, and how soon the next slice follows while they are exceeded, in milliseconds. */
const pruneMs = 10_000
const sliceMs = 50

/**
 * A console: it takes events from the cache and the scheduler, stores them, and answers queries. Until closed it holds
 * a timer, which does not keep the process alive. If the history cannot be opened the console still runs: it retries,
 * and tells callers why.
 */
export function createConsole(options: ConsoleOptions): Console {
  const { clock, log, metrics } = options
  const history = openHistory({ path: join(options.folder, 'history.db'), bounds: options.bounds, clock, log })
  const reader = createReader({ history, cas: options.cas, clock, log })
  const comparer = createComparer({ history, cas: options.cas, clock, log })
  const local = localHistory(history, reader)
  const explanations = createExplanations(local, clock, explanationStore(history))
  let stopPruning = clock.after(0, prune)

  function prune(): void {
    let more = false
    try {
      more = history.use((tables) => tables.prune(clock.now()))
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      log.warn('cannot shorten the history', { reason: messageOf(error) })
    }
    stopPruning = clock.after(more ? sliceMs : pruneMs, prune)
  }

  return {
    services: [
      recorderService({ history, reader, comparer, clock, metrics, secret: options.secret }),
      historyService(history, local, explanations),
      besService({ history, clock, metrics }),
    ],
    history: local,
    explanations,
    notes: history.notes,
    async idle() {
      await reader.idle()
      await comparer.idle()
    },
    close() {
      stopPruning()
      explanations.close()
      reader.close()
      comparer.close()
      history.close()
    },
  }
}
