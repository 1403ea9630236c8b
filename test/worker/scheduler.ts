import { workerApi } from '../../src/wire/proto.ts'
import { type Channel, Code, RpcError, type Service } from '../../src/wire/rpc.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'

/** The scheduler's side of one worker's stream. */
export interface Desk {
  /** The next message of the worker that is not a renewal or output; undefined when it has ended the stream. */
  next(): Promise<workerApi.FromWorker | undefined>
  /** Renewals so far: the leases of each. */
  readonly renewals: string[][]
  readonly outputs: workerApi.Output.$Properties[]
  say(message: workerApi.ToWorker.$Properties): void
  /** Ends the stream, with an error if one is given. */
  hangUp(error?: RpcError): void
}

/** A scheduler that does what a test says. */
export interface TestScheduler {
  readonly channel: Channel
  readonly service: Service
  /** The next worker that connects. */
  desk(): Promise<Desk>
  /** While true, every worker that connects is turned away. */
  away: boolean
  readonly attempts: number
}

export function openScheduler(): TestScheduler {
  const desks: Desk[] = []
  const waiting: ((desk: Desk) => void)[] = []
  let attempts = 0
  const service: Service = {
    name: 'native.worker.v1.Workers',
    methods: {
      Work: {
        kind: 'bidi',
        async handle(requests, call, send) {
          attempts += 1
          if (scheduler.away) throw new RpcError(Code.UNAVAILABLE, 'away')
          const over = Promise.withResolvers<void>()
          const desk = openDesk(requests, (message) => void send(workerApi.ToWorker.encode(message).finish()), over)
          call.signal.addEventListener('abort', () => over.resolve())
          const next = waiting.shift()
          if (next) next(desk)
          else desks.push(desk)
          await over.promise
        },
      },
    },
  }
  const scheduler: TestScheduler = {
    service,
    channel: memoryChannel([service]),
    away: false,
    get attempts() {
      return attempts
    },
    async desk() {
      return desks.shift() ?? (await new Promise((resolve) => waiting.push(resolve)))
    },
  }
  return scheduler
}

function openDesk(
  requests: AsyncIterable<Buffer>,
  say: Desk['say'],
  over: { resolve(): void; reject(error: Error): void },
): Desk {
  const renewals: string[][] = []
  const outputs: workerApi.Output.$Properties[] = []
  const iterator = requests[Symbol.asyncIterator]()
  return {
    renewals,
    outputs,
    say,
    hangUp: (error) => (error ? over.reject(error) : over.resolve()),
    async next() {
      for (;;) {
        const { done, value } = await iterator.next()
        if (done) {
          over.resolve()
          return undefined
        }
        const message = workerApi.FromWorker.decode(value)
        if (message.renew) renewals.push(message.renew.leaseIds ?? [])
        else if (message.output) outputs.push(message.output)
        else return message
      }
    },
  }
}
