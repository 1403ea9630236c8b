import { createCache } from '../../src/cache/services.ts'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import { createMemoryBlobs } from '../../src/store/memory/blobs.ts'
import { createMemoryResults } from '../../src/store/memory/results.ts'
import { verified } from '../../src/store/verified.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import type { Call, Channel, Messages, Method, Send, Service } from '../../src/wire/rpc.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { quietLog } from '../fixture/quiet-log.ts'

/** The machine's time, but waits are over at once; those of 10 s and more are kept. */
export const promptClock: Clock = {
  now: systemClock.now,
  after(ms, callback) {
    return systemClock.after(ms < 10_000 ? 0 : ms, callback)
  },
}

/** A cache whose calls can be counted and made to fail. */
export interface Remote {
  readonly channel: Channel
  readonly services: readonly Service[]
  readonly blobs: Blobs
  /** How often each method was called, by its name without the service's. */
  readonly calls: Map<string, number>
  /** The next call of a method fails with this before its handler runs; may be queued. */
  failNext(method: string, error: Error): void
  /** The next server stream or client stream breaks with this after so many messages. */
  breakNext(method: string, afterMessages: number, error: Error): void
}

/** The real services over a fresh memory store. */
export function openRemote(more: readonly Service[] = []): Remote {
  const blobs = verified(createMemoryBlobs(256 * 1024 * 1024))
  const services = [
    ...createCache({
      blobs,
      results: createMemoryResults(16 * 1024 * 1024),
      instances: new Set(['', 'main']),
      updateEnabled: true,
      blobSizeMax: 0,
      log: quietLog,
      metrics: createMetrics(),
      clock: systemClock,
    }).services,
    ...more,
  ]
  const calls = new Map<string, number>()
  const failures = new Map<string, Error[]>()
  const breaks = new Map<string, { after: number; error: Error }[]>()
  const enter = (name: string) => {
    calls.set(name, (calls.get(name) ?? 0) + 1)
    const error = failures.get(name)?.shift()
    if (error) throw error
    return breaks.get(name)?.shift()
  }
  const wrapped = services.map((service) => ({
    name: service.name,
    methods: Object.fromEntries(
      Object.entries(service.methods).map(([name, method]) => [name, watched(method, () => enter(name))]),
    ),
  }))
  return {
    services: wrapped,
    channel: memoryChannel(wrapped),
    blobs,
    calls,
    failNext: (method, error) => void failures.set(method, [...(failures.get(method) ?? []), error]),
    breakNext: (method, after, error) => void breaks.set(method, [...(breaks.get(method) ?? []), { after, error }]),
  }
}

type Break = { readonly after: number; readonly error: Error } | undefined

function watched(method: Method, enter: () => Break): Method {
  switch (method.kind) {
    case 'unary':
      return {
        ...method,
        handle(request: Buffer, call: Call) {
          enter()
          return method.handle(request, call)
        },
      }
    case 'server-stream':
      return {
        ...method,
        async handle(request: Buffer, call: Call, send: Send) {
          const broken = enter()
          let sent = 0
          await method.handle(request, call, (message, rest) => {
            if (broken && sent >= broken.after) throw broken.error
            sent += 1
            return send(message, rest)
          })
        },
      }
    case 'client-stream':
      return {
        ...method,
        async handle(requests: Messages, call: Call) {
          const broken = enter()
          return await method.handle(broken ? cut(requests, broken) : requests, call)
        },
      }
    default:
      return method
  }
}

async function* cut(requests: AsyncIterable<Buffer>, broken: NonNullable<Break>): AsyncGenerator<Buffer> {
  let taken = 0
  for await (const request of requests) {
    if (taken >= broken.after) throw broken.error
    taken += 1
    yield request
  }
}
