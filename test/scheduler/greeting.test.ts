import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createSecret } from '../../src/core/secret.ts'
import { re, workerApi } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { errorOf, openWorker, type ScriptedWorker } from './worker.ts'
import { createWorld, wire } from './world.ts'

const secret = createSecret(Buffer.from('what the servers of this test know'))
const guess = createSecret(Buffer.from('what somebody else thinks they know'))
const nonce = randomBytes(32)
const hello = { worker: 'w1', slots: 1, run: randomBytes(16) }

function said(message: workerApi.FromWorker.$Properties): Uint8Array {
  return workerApi.FromWorker.encode(message).finish()
}

async function ending(worker: ScriptedWorker) {
  return errorOf(
    (async () => {
      for (let message = await worker.hear(); message; message = await worker.hear());
    })(),
  )
}

/** Says hello, and gives what is to be proved. */
async function challenged(worker: ScriptedWorker) {
  const first = said({ hello: { ...hello, nonce } })
  worker.sayBytes(first)
  const challenge = (await worker.hear())?.challenge
  if (!challenge) throw new Error('the first answer is not a challenge')
  return { first, nonce: challenge.nonce ?? Buffer.alloc(0), proof: challenge.proof ?? Buffer.alloc(0) }
}

test('a worker that knows the secret is told that the scheduler knows it too, and is taken in', async () => {
  const world = createWorld({ secret })
  const worker = openWorker(world.channel)
  const challenge = await challenged(worker)
  expect(secret.verify(challenge.proof, 'native.worker.v1 scheduler', challenge.first, challenge.nonce)).toBe(true)
  worker.say({ proof: { proof: secret.prove('native.worker.v1 worker', challenge.first, challenge.nonce) } })
  expect((await worker.hear())?.welcome).toBeTruthy()
  const stream = world.execute(await world.action())
  worker.finish((await worker.assigned()).leaseId ?? '')
  expect((await stream.response()).status?.code).toBe(Code.OK)
})

test.each([
  ['says nothing of it', async (worker: ScriptedWorker) => worker.say({ hello })],
  [
    'sends a nonce that is none',
    async (worker: ScriptedWorker) => worker.say({ hello: { ...hello, nonce: Buffer.from('short') } }),
  ],
  [
    'guesses',
    async (worker: ScriptedWorker) => {
      const { first, nonce: theirs } = await challenged(worker)
      worker.say({ proof: { proof: guess.prove('native.worker.v1 worker', first, theirs) } })
    },
  ],
  [
    'gives the scheduler’s proof back',
    async (worker: ScriptedWorker) => worker.say({ proof: { proof: (await challenged(worker)).proof } }),
  ],
  [
    'goes on as if it were welcome',
    async (worker: ScriptedWorker) => {
      await challenged(worker)
      worker.say({ renew: { leaseIds: [] } })
    },
  ],
])('one that %s is UNAUTHENTICATED and gets no action', async (_, begin) => {
  const world = createWorld({ secret })
  const stream = world.execute(await world.action())
  await stream.next()
  const worker = openWorker(world.channel)
  await begin(worker)
  const error = await ending(worker)
  expect(error).toMatchObject({ code: Code.UNAUTHENTICATED, message: expect.stringContaining('"secret"') })
  expect(world.scheduler.snapshot()).toMatchObject({ workers: [], queued: 1 })
})

test('where the transport has let it in as a worker, one without the secret is welcome; one that claims to know it proves it', async () => {
  const world = createWorld({ secret, guarded: true })
  const worker = openWorker(world.channel)
  worker.say({ hello })
  expect((await worker.hear())?.welcome).toBeTruthy()
  const other = openWorker(world.channel)
  await challenged(other)
  other.say({ renew: { leaseIds: [] } })
  expect((await ending(other)).code).toBe(Code.UNAUTHENTICATED)
})

test.each([0, 1])('a worker that says %i of its protocol is taken', async (protocol) => {
  const worker = openWorker(createWorld().channel)
  worker.say({ hello: { ...hello, protocol } })
  expect((await worker.hear())?.welcome).toMatchObject({ version: '1.0.0', protocol: 1 })
})

test('one of another protocol is refused with both releases and both versions, before and after it joins', async () => {
  const world = createWorld()
  const worker = openWorker(world.channel)
  worker.say({ hello: { ...hello, version: '9.1.0', protocol: 7 } })
  const error = await ending(worker)
  expect(error.code).toBe(Code.FAILED_PRECONDITION)
  for (const each of ['9.1.0', 'version 7', '1.0.0', 'version 1']) expect(error.message).toContain(each)
  const asked = workerApi.IntroduceRequest.encode({ version: '9.1.0', protocol: 7 }).finish()
  expect((await errorOf(world.channel.unary('native.worker.v1.Workers/Introduce', asked))).message).toContain('9.1.0')
  expect(world.scheduler.snapshot().workers).toEqual([])
})

test('whoever wants to be a worker hears where the cache is', async () => {
  const { channel } = createWorld({ casUrl: 'grpcs://127.0.0.1:50051' })
  const asked = workerApi.IntroduceRequest.encode({ version: '1.0.0', protocol: 1 }).finish()
  const answer = workerApi.Introduction.decode(await channel.unary('native.worker.v1.Workers/Introduce', asked))
  expect(answer).toMatchObject({ version: '1.0.0', protocol: 1, cas: 'grpcs://127.0.0.1:50051' })
})

test('a proof that was caught is of no use on another stream', async () => {
  const world = createWorld({ secret })
  const honest = openWorker(world.channel)
  const { first, nonce: theirs } = await challenged(honest)
  const caught = { proof: { proof: secret.prove('native.worker.v1 worker', first, theirs) } }
  const thief = openWorker(world.channel)
  await challenged(thief)
  thief.say(caught)
  expect((await ending(thief)).code).toBe(Code.UNAUTHENTICATED)
})

test('one that stops in the middle is sent away', async () => {
  const world = createWorld({ secret })
  const worker = openWorker(world.channel)
  await challenged(worker)
  world.clock.advance(11_000)
  expect((await ending(worker)).code).toBe(Code.DEADLINE_EXCEEDED)
})

test('results of workers reach an action cache that takes none from clients', async () => {
  const world = createWorld({ secret }, undefined, { secret, updateEnabled: false })
  const worker = openWorker(world.channel)
  const { first, nonce: theirs } = await challenged(worker)
  worker.say({ proof: { proof: secret.prove('native.worker.v1 worker', first, theirs) } })
  await worker.hear()
  const digest = await world.action()
  const stream = world.execute(digest)
  worker.finish((await worker.assigned()).leaseId ?? '')
  await stream.response()
  expect(await world.results.get(digest)).toBeTruthy()
  // The same by a client, straight and through the scheduler.
  const request = re.UpdateActionResultRequest.encode({ actionDigest: wire(digest), actionResult: {} }).finish()
  for (const channel of [world.casChannel, world.channel]) {
    const call = channel.unary('build.bazel.remote.execution.v2.ActionCache/UpdateActionResult', request)
    expect((await errorOf(call)).code).toBe(Code.PERMISSION_DENIED)
  }
})
