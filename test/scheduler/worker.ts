import { type re, workerApi } from '../../src/wire/proto.ts'
import { type Channel, type Code, RpcError } from '../../src/wire/rpc.ts'
import { mailbox } from './mailbox.ts'

/** A worker that does what the test says, over the real protocol. */
export interface ScriptedWorker {
  /** The next message from the scheduler; undefined once the stream has ended. */
  hear(): Promise<workerApi.ToWorker | undefined>
  /** The next message, which has to be an assignment. */
  assigned(): Promise<workerApi.Assign.$Properties>
  say(message: workerApi.FromWorker.$Properties): void
  sayBytes(bytes: Uint8Array): void
  /** Answers with a result; exit code 0 unless the result says otherwise. */
  finish(leaseId: string, result?: re.ActionResult.$Properties): void
  fail(leaseId: string, code: Code, message: string): void
  /** Breaks the connection, as a killed process does. */
  die(): void
  /** Ends its side of the stream in order. */
  close(): void
}

export interface WorkerFacts {
  readonly name?: string
  readonly slots?: number
  readonly properties?: readonly (readonly [string, string])[]
  readonly limits?: readonly (readonly [string, string])[]
  /** Which process it is; none when absent. */
  readonly run?: Uint8Array
}

/** Connects and waits until it is welcome. */
export async function connectWorker(channel: Channel, facts: WorkerFacts = {}): Promise<ScriptedWorker> {
  const worker = openWorker(channel)
  worker.say({
    hello: {
      worker: facts.name ?? 'w1',
      slots: facts.slots ?? 1,
      properties: (facts.properties ?? []).map(([name, value]) => ({ name, value })),
      limits: (facts.limits ?? []).map(([name, value]) => ({ name, value })),
      version: 'test',
      ...(facts.run && { run: facts.run }),
    },
  })
  const first = await worker.hear()
  if (!first?.welcome) throw new Error('the first answer is not a welcome')
  return worker
}

/** Opens the stream and says nothing yet. */
export function openWorker(channel: Channel): ScriptedWorker {
  const requests = mailbox<Uint8Array>()
  const answers = mailbox<workerApi.ToWorker>()
  const controller = new AbortController()
  async function listen(): Promise<void> {
    const stream = channel.bidi('native.worker.v1.Workers/Work', requests, { signal: controller.signal })
    for await (const bytes of stream) answers.push(workerApi.ToWorker.decode(bytes))
  }
  listen().then(answers.end, answers.fail)
  const say = (message: workerApi.FromWorker.$Properties) =>
    requests.push(workerApi.FromWorker.encode(message).finish())
  return {
    hear: answers.next,
    say,
    sayBytes: requests.push,
    async assigned() {
      const message = await answers.next()
      if (!message?.assign) throw new Error(`no assignment but ${JSON.stringify(message)}`)
      return message.assign
    },
    finish: (leaseId, result = { exitCode: 0 }) => say({ finished: { leaseId, response: { result } } }),
    fail: (leaseId, code, message) => say({ finished: { leaseId, response: { status: { code, message } } } }),
    die: () => controller.abort(),
    close: requests.end,
  }
}

/** What a call that has to fail fails with. */
export async function errorOf(call: Promise<unknown>): Promise<RpcError> {
  try {
    await call
  } catch (error) {
    if (error instanceof RpcError) return error
    throw error
  }
  throw new Error('it did not fail')
}
