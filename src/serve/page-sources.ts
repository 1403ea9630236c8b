import { createActionsClient } from '../client/actions.ts'
import { createCasClient } from '../client/cas.ts'
import { schedulerView } from '../client/fleet.ts'
import { createRunningOutputs, type RunningOutputs } from '../client/running-output.ts'
import type { ConsoleConfig } from '../config/console.ts'
import type { CacheUsage } from '../core/cache-usage.ts'
import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { SchedulerView } from '../core/scheduler-view.ts'
import type { Secret } from '../core/secret.ts'
import { askWeb } from '../telemetry/ask-web.ts'
import { cacheUsageOf } from '../telemetry/cache-usage.ts'
import type { Log } from '../telemetry/log.ts'
import { readSamples } from '../telemetry/samples.ts'
import { openDirectChannel } from '../wire/direct.ts'
import { forExecute } from '../wire/for-execute.ts'
import { identifiedChannel } from '../wire/identity.ts'
import type { re } from '../wire/proto.ts'
import { type Channel, RpcError } from '../wire/rpc.ts'
import { toFailure } from '../wire/status.ts'
import type { ClientTls } from '../wire/tls/client-tls.ts'

/** What the build pages ask other servers, besides the history. All of these fail with a Failure. */
export interface PageSources {
  readonly scheduler: (() => Promise<SchedulerView>) | undefined
  readonly running: Pick<RunningOutputs, 'of' | 'held'> | undefined
  readonly cache: (() => Promise<CacheUsage | undefined>) | undefined
  readonly contents: {
    result(action: Digest, instance: string, signal: AbortSignal): Promise<re.ActionResult | undefined>
    read(digest: Digest, instance: string, signal: AbortSignal): AsyncIterable<Uint8Array>
  }
  close(): void
}

export interface PageSourcesOptions {
  readonly tls: ClientTls | undefined
  readonly secret: Secret | undefined
  readonly clock: Clock
  readonly log: Log
}

const callMsMax = 3_000
/** Each open page asks once a second: an answer this recent is reused, in milliseconds. */
const freshMs = 900

/** Opens these sources, as a server of the cluster that acts for whoever may read the pages. */
export function openPageSources(config: ConsoleConfig, { tls, secret, clock, log }: PageSourcesOptions): PageSources {
  const open = (url: string): Channel => {
    const plain = openDirectChannel(url, { tls })
    return secret ? identifiedChannel(plain, secret, 'scheduler', clock.now) : plain
  }
  const cas = open(config.cas)
  const scheduler = config.scheduler === undefined ? undefined : open(config.scheduler)
  const outputs = scheduler && createRunningOutputs(scheduler, clock, log)
  const { cas_metrics: metrics } = config

  async function usage(address: string): Promise<CacheUsage | undefined> {
    const said = await askWeb(address, '/metrics', callMsMax)
    return (said?.status === 200 && cacheUsageOf(readSamples(said.text))) || undefined
  }

  return {
    scheduler: scheduler && lately(clock, () => failing(schedulerView(scheduler, callMsMax))),
    running: outputs,
    cache: metrics === undefined ? undefined : lately(clock, () => usage(metrics)),
    contents: {
      result(action, instance, signal) {
        // Lookups from here do not count as a client's.
        const options = { fn: action.fn, instance, clock, timeoutMs: callMsMax, attemptsMax: 1, metadata: forExecute() }
        return failing(createActionsClient(cas, options).get(action, { stdout: true, stderr: true }, signal))
      },
      async *read(digest, instance, signal) {
        try {
          yield* createCasClient(cas, { fn: digest.fn, instance, clock }).readStream(digest, signal)
        } catch (error) {
          throw error instanceof RpcError ? toFailure(error, 'the cache') : error
        }
      },
    },
    close() {
      outputs?.close()
      cas.close()
      scheduler?.close()
    },
  }
}

async function failing<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (error) {
    throw error instanceof RpcError ? toFailure(error, 'a server of the cluster') : error
  }
}

/** Shares one request among callers at about the same time. */
function lately<T>(clock: Clock, ask: () => Promise<T>): () => Promise<T> {
  let asked: { readonly at: number; readonly answer: Promise<T> } | undefined
  return () => {
    const at = clock.now()
    if (!asked || at - asked.at >= freshMs) asked = { at, answer: ask() }
    return asked.answer
  }
}
