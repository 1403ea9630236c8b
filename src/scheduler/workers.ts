import type { Secret } from '../core/secret.ts'
import { decodeMessage } from '../wire/decode.ts'
import { workerApi } from '../wire/proto.ts'
import { type Call, Code, type Messages, RpcError, type Send, type Service } from '../wire/rpc.ts'
import { toTimestamp } from '../wire/time.ts'
import { assertSpeaks, workerProtocol } from '../wire/worker-protocol.ts'
import type { SchedulerContext } from './context.ts'
import type { Engine } from './engine.ts'
import { createGreeting } from './greeting.ts'
import type { Invitations } from './invitations.ts'
import { offerOf, propertiesMax } from './match.ts'
import { createOutbox } from './outbox.ts'
import type { Worker } from './task.ts'

const slotsMax = 1024
const nameLengthMax = 256
const helloMsMax = 10_000

/** Who may be a worker, and what those that want to be one are told. */
export interface WorkerAdmission {
  /** What workers must know; without it anybody who reaches this server may be one. */
  readonly secret: Secret | undefined
  /** Does the transport admit only workers? Then a token will do in place of the secret. */
  readonly guarded: boolean
  /** Where the scheduler itself calls the CAS. */
  readonly casUrl: string | undefined
  /** If absent, invitations are not supported here. */
  readonly invitations: Invitations | undefined
}

/** native.worker.v1.Workers: one stream per worker, for as long as it is connected. */
export function workersService(engine: Engine, context: SchedulerContext, admission: WorkerAdmission): Service {
  return {
    name: 'native.worker.v1.Workers',
    methods: {
      Work: { kind: 'bidi', handle: (messages, call, send) => work(engine, context, admission, messages, call, send) },
      Introduce: { kind: 'unary', handle: (request) => introduction(context, admission, request) },
      Redeem: { kind: 'unary', handle: (request, call) => redeem(admission, request, call) },
      Retire: { kind: 'unary', handle: (_, call) => retire(admission, call) },
    },
  }
}

/** @throws RpcError FAILED_PRECONDITION for a release that speaks another protocol */
function introduction(
  { version }: SchedulerContext,
  { casUrl = '' }: WorkerAdmission,
  request: Uint8Array,
): Uint8Array {
  const asks = decodeMessage(workerApi.IntroduceRequest, request)
  assertSpeaks(
    {
      what: 'the machine that joins',
      version: (asks.version ?? '').slice(0, nameLengthMax),
      protocol: asks.protocol ?? 0,
    },
    { what: 'this scheduler', version },
  )
  const cas = casUrl.startsWith('unix:') ? '' : casUrl
  return workerApi.Introduction.encode({ version, protocol: workerProtocol, cas }).finish()
}

async function redeem({ invitations }: WorkerAdmission, request: Uint8Array, call: Call): Promise<Uint8Array> {
  if (!invitations) throw nobodyInvited()
  const { id = '', hash = '' } = decodeMessage(workerApi.RedeemRequest, request)
  const { name, expiresMs } = await invitations.redeem(call.header('authorization') ?? '', {
    id: id ?? '',
    hash: hash ?? '',
  })
  const expires = expiresMs === null ? {} : { expires: toTimestamp(expiresMs) }
  return workerApi.Redeemed.encode({ name, ...expires }).finish()
}

async function retire({ invitations }: WorkerAdmission, call: Call): Promise<Uint8Array> {
  if (!invitations) throw nobodyInvited()
  const retired = await invitations.retire(call.header('authorization') ?? '')
  return workerApi.Retired.encode({ retired }).finish()
}

function nobodyInvited(): RpcError {
  return new RpcError(Code.UNIMPLEMENTED, 'this scheduler has no tokens to give')
}

/**
 * Serves one worker until it leaves or is dismissed; either way, the tasks it held are queued again.
 * @throws RpcError INVALID_ARGUMENT for a worker that does not begin with a valid hello, UNAUTHENTICATED for one that
 *   does not know the secret, FAILED_PRECONDITION for a release that speaks another protocol, ALREADY_EXISTS for one
 *   with the name of another, DEADLINE_EXCEEDED for one that says nothing, or the error it is dismissed with
 */
async function work(
  engine: Engine,
  context: SchedulerContext,
  admission: WorkerAdmission,
  messages: Messages,
  call: Call,
  send: Send,
): Promise<void> {
  let dismiss: (error: RpcError) => void = () => undefined
  const dismissed = new Promise<never>((_, reject) => {
    dismiss = reject
  })
  const outbox = createOutbox(send, dismiss)
  const tell = (message: workerApi.ToWorker.$Properties) => outbox.push(workerApi.ToWorker.encode(message).finish())
  const cancelHello = context.clock.after(helloMsMax, () =>
    dismiss(new RpcError(Code.DEADLINE_EXCEEDED, `no hello was received within ${helloMsMax} ms`)),
  )
  const greeting = createGreeting(admission.secret, tell, admission.guarded)
  let worker: Worker | undefined
  async function listen(): Promise<void> {
    for await (const bytes of messages) {
      const message = decodeMessage(workerApi.FromWorker, bytes)
      if (worker) {
        engine.fleet.hear(worker, message)
        continue
      }
      const hello = greeting.take(bytes, message)
      if (!hello) continue
      cancelHello()
      const joining = greeted(hello, context, tell, dismiss)
      engine.fleet.join(joining)
      worker = joining
    }
  }
  try {
    await Promise.race([listen(), dismissed])
  } finally {
    cancelHello()
    if (worker) engine.fleet.lose(worker, call.signal.aborted ? 'its connection broke' : 'its stream has ended')
  }
}

/** The worker that is introducing itself. */
function greeted(
  hello: workerApi.Hello.$Properties,
  context: SchedulerContext,
  tell: Worker['tell'],
  dismiss: Worker['dismiss'],
): Worker {
  const name = hello.worker ?? ''
  const slots = hello.slots ?? 0
  const version = (hello.version ?? '').slice(0, nameLengthMax)
  const now = context.clock.now()
  const pairs = (wire: workerApi.Hello.$Properties['properties']) =>
    (wire ?? []).map((each) => ({ name: each.name ?? '', value: each.value ?? '' }))
  const properties = pairs(hello.properties)
  const limits = pairs(hello.limits)
  if (name === '' || name.length > nameLengthMax) throw invalid(`worker: a name has 1 to ${nameLengthMax} characters`)
  assertSpeaks(
    { what: `worker ${name}`, version, protocol: hello.protocol ?? 0 },
    { what: 'this scheduler', version: context.version },
  )
  if (slots < 1 || slots > slotsMax) throw invalid(`slots: a worker has 1 to ${slotsMax}, not ${slots}`)
  for (const [field, { length }] of Object.entries({ properties, limits }))
    if (length > propertiesMax) throw invalid(`${field}: a worker has at most ${propertiesMax}, not ${length}`)
  return {
    name,
    slots,
    version,
    run: Buffer.from(hello.run ?? []).toString('hex'),
    offer: offerOf(properties, limits),
    free: slots,
    connectedAt: now,
    heardAt: now,
    leaving: false,
    resting: false,
    tell,
    dismiss,
  }
}

function invalid(message: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, message)
}
