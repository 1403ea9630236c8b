import { expect, test } from 'vitest'
import { createOutbox } from '../../src/scheduler/outbox.ts'
import { Code, RpcError } from '../../src/wire/rpc.ts'

const message = (n: number) => Uint8Array.of(n)

test('no message is left behind, however many microtasks pass between one and the next', async () => {
  const sent: number[] = []
  const outbox = createOutbox(
    (bytes) => void sent.push(bytes[0] ?? -1),
    () => undefined,
  )
  for (let gap = 0; gap < 20; gap += 1) {
    outbox.push(message(2 * gap))
    for (let i = 0; i < gap; i += 1) await Promise.resolve()
    outbox.push(message(2 * gap + 1))
    await new Promise((resolve) => setImmediate(resolve))
    expect(sent.length).toBe(2 * gap + 2)
  }
  expect(sent).toEqual(sent.map((_, i) => i))
})

test('a message waits until the stream has room, and order is kept', async () => {
  const sent: number[] = []
  const room = Promise.withResolvers<void>()
  const outbox = createOutbox(
    (bytes) => {
      sent.push(bytes[0] ?? -1)
      return room.promise
    },
    () => undefined,
  )
  for (const n of [1, 2, 3]) outbox.push(message(n))
  await new Promise((resolve) => setImmediate(resolve))
  expect(sent).toEqual([1])
  room.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  expect(sent).toEqual([1, 2, 3])
})

test('a stream that takes no more is told of once, and nothing is sent any more', async () => {
  const broken: RpcError[] = []
  let calls = 0
  const outbox = createOutbox(
    () => {
      calls += 1
      throw new RpcError(Code.CANCELLED, 'gone')
    },
    (error) => broken.push(error),
  )
  for (const n of [1, 2]) outbox.push(message(n))
  await new Promise((resolve) => setImmediate(resolve))
  outbox.push(message(3))
  expect(calls).toBe(1)
  expect(broken.map(({ code }) => code)).toEqual([Code.CANCELLED])
})
