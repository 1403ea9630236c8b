import { randomBytes } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { createSecret } from '../../src/core/secret.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { workerApi } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { startWorker } from '../../src/worker/worker.ts'
import { openRemote } from '../client/remote.ts'
import { eventually } from '../fixture/eventually.ts'
import { testFolder } from '../fixture/folder.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { type Desk, openScheduler } from './scheduler.ts'

const secret = createSecret(Buffer.from('what the servers of this test know'))
const guess = createSecret(Buffer.from('what somebody else thinks they know'))
const welcome = { welcome: { lease: { seconds: 10, nanos: 0 } } }
const assign = { assign: { leaseId: 'lease', timeout: { seconds: 60 } } }

/** A worker with a secret, or without one, and the scheduler that it comes to. */
async function opened(known: typeof secret | undefined) {
  const scheduler = openScheduler()
  const worker = await startWorker({
    scheduler: scheduler.channel,
    cas: openRemote().channel,
    name: 'w1',
    slots: 1,
    properties: [],
    directory: await testFolder(),
    cacheSizeBytes: 1e6,
    graceMs: 2_000,
    inputs: 'auto',
    version: '1',
    secret: known,
    clock: systemClock,
    log: quietLog,
    metrics: createMetrics(),
    random: () => 0,
  })
  onTestFinished(() => worker.close())
  return { scheduler, worker }
}

/** The hello, as decoded and as sent. */
async function greeted(desk: Desk) {
  const message = await desk.next()
  return { hello: message?.hello, first: workerApi.FromWorker.encode(message ?? {}).finish() }
}

test('a worker shows that it knows the secret once the scheduler has, and then works', async () => {
  const { scheduler, worker } = await opened(secret)
  const desk = await scheduler.desk()
  const { hello, first } = await greeted(desk)
  expect(hello?.nonce?.byteLength).toBe(32)
  const nonce = randomBytes(32)
  desk.say({ challenge: { nonce, proof: secret.prove('native.worker.v1 scheduler', first, nonce) } })
  const proof = (await desk.next())?.proof?.proof ?? Buffer.alloc(0)
  expect(secret.verify(proof, 'native.worker.v1 worker', first, nonce)).toBe(true)
  desk.say(welcome)
  desk.say(assign)
  expect((await desk.next())?.finished?.leaseId).toBe('lease')
  expect(worker.connected).toBe(true)
})

test.each([
  ['welcomes it', (desk: Desk) => desk.say(welcome)],
  ['gives it an action', (desk: Desk) => desk.say(assign)],
  [
    'guesses',
    (desk: Desk, first: Uint8Array) => {
      const nonce = randomBytes(32)
      desk.say({ challenge: { nonce, proof: guess.prove('native.worker.v1 scheduler', first, nonce) } })
      desk.say(welcome)
      desk.say(assign)
    },
  ],
])('another program on the scheduler’s port that %s gets neither work nor proof from it', async (_, speak) => {
  const { scheduler, worker } = await opened(secret)
  const desk = await scheduler.desk()
  const { first } = await greeted(desk)
  speak(desk, first)
  await expect(desk.next()).rejects.toMatchObject({ code: Code.CANCELLED })
  expect(worker.connected).toBe(false)
  // It goes on looking for the scheduler.
  await scheduler.desk()
})

test('it is the same process on each of its streams', async () => {
  const { scheduler } = await opened(undefined)
  const desk = await scheduler.desk()
  const { hello } = await greeted(desk)
  desk.hangUp()
  const again = await greeted(await scheduler.desk())
  expect(hello?.run?.byteLength).toBe(16)
  expect(again.hello?.run).toEqual(hello?.run)
})

test('a scheduler of another protocol gets no work done, and the notes say why until one is found that fits', async () => {
  const { scheduler, worker } = await opened(undefined)
  const first = await scheduler.desk()
  expect((await first.next())?.hello).toMatchObject({ protocol: 1, version: '1' })
  first.say({ welcome: { ...welcome.welcome, version: '9.1.0', protocol: 7 } })
  first.say(assign)
  const second = await scheduler.desk()
  expect(worker.connected).toBe(false)
  const [note] = worker.notes()
  for (const each of ['cannot register', '9.1.0', 'version 7', 'version 1']) expect(note).toContain(each)
  second.say({ welcome: { ...welcome.welcome, version: '1', protocol: 1 } })
  await eventually(
    async () => worker.connected,
    (connected) => connected,
  )
  expect(worker.notes()).toEqual([])
})
