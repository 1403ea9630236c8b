import { decodeMessage } from '../wire/decode.ts'
import { workerApi } from '../wire/proto.ts'
import { type Call, Code, type Messages, RpcError, type Send, type Service } from '../wire/rpc.ts'
import { toDuration } from '../wire/time.ts'
import type { Engine } from './engine.ts'
import type { House } from './house.ts'
import { offerOf, propertiesMax } from './match.ts'
import { createOutbox } from './outbox.ts'
import type { Worker } from './task.ts'

const slotsMax = 1024
const nameLengthMax = 256
const helloMsMax = 10_000

/** native.worker.v1.Workers: one stream a worker, for as long as it is there. */
export function workersService(engine: Engine, house: House): Service {
  return {
    name: 'native.worker.v1.Workers',
    methods: { Work: { kind: 'bidi', handle: (messages, call, send) => work(engine, house, messages, call, send) } },
  }
}

/**
 * Serves one worker until it leaves or is dismissed; however that comes, what it had in its
 * hands is queued again.
 * @throws RpcError INVALID_ARGUMENT for a worker that does not begin with a valid hello,
 *   DEADLINE_EXCEEDED for one that says nothing, or what it is dismissed with
 */
async function work(engine: Engine, house: House, messages: Messages, call: Call, send: Send): Promise<void> {
  let dismiss: (error: RpcError) => void = () => undefined
  const dismissed = new Promise<never>((_, reject) => {
    dismiss = reject
  })
  const outbox = createOutbox(send, dismiss)
  const tell = (message: workerApi.ToWorker.$Properties) => outbox.push(workerApi.ToWorker.encode(message).finish())
  const cancelHello = house.clock.after(helloMsMax, () =>
    dismiss(new RpcError(Code.DEADLINE_EXCEEDED, `no hello came within ${helloMsMax} ms`)),
  )
  let worker: Worker | undefined
  async function listen(): Promise<void> {
    for await (const bytes of messages) {
      const message = decodeMessage(workerApi.FromWorker, bytes)
      if (worker) {
        engine.fleet.hear(worker, message)
        continue
      }
      cancelHello()
      worker = greeted(message.hello, house.clock.now(), tell, dismiss)
      tell({ welcome: { lease: toDuration(house.leaseMs) } })
      engine.fleet.join(worker)
    }
  }
  try {
    await Promise.race([listen(), dismissed])
  } finally {
    cancelHello()
    if (worker) engine.fleet.lose(worker, call.signal.aborted ? 'its connection broke' : 'its stream has ended')
  }
}

/** The worker that introduces itself. */
function greeted(
  hello: workerApi.Hello.$Properties | null | undefined,
  now: number,
  tell: Worker['tell'],
  dismiss: Worker['dismiss'],
): Worker {
  if (!hello) throw invalid('a worker’s first message is its hello')
  const name = hello.worker ?? ''
  const slots = hello.slots ?? 0
  const properties = (hello.properties ?? []).map((each) => ({ name: each.name ?? '', value: each.value ?? '' }))
  if (name === '' || name.length > nameLengthMax) throw invalid(`worker: a name has 1 to ${nameLengthMax} characters`)
  if (slots < 1 || slots > slotsMax) throw invalid(`slots: a worker has 1 to ${slotsMax}, not ${slots}`)
  if (properties.length > propertiesMax) throw invalid(`properties: a worker offers at most ${propertiesMax}`)
  return {
    name,
    slots,
    version: (hello.version ?? '').slice(0, nameLengthMax),
    offer: offerOf(properties),
    free: slots,
    connectedAt: now,
    heardAt: now,
    leaving: false,
    tell,
    dismiss,
  }
}

function invalid(message: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, message)
}
