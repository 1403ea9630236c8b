import { expect, test } from 'vitest'
import { createTurns } from '../../src/cache/turns.ts'
import type { Call } from '../../src/wire/rpc.ts'
import { Code } from '../../src/wire/rpc.ts'

/** A call whose client takes nothing until it is told to, or goes. */
function stuckCall(): Call & { take(): void; go(): void } {
  const controller = new AbortController()
  let room: PromiseWithResolvers<void> | undefined = Promise.withResolvers()
  const settle = () => {
    room?.resolve()
    room = undefined
  }
  return {
    method: 'm',
    metadata: new Map(),
    deadline: undefined,
    signal: controller.signal,
    peer: 'stuck',
    room: () => room?.promise,
    take: settle,
    go() {
      controller.abort()
      settle()
    },
  }
}

function willing(): Call {
  const call = stuckCall()
  call.take()
  return call
}

test('clients that take nothing wait, and hold up nobody', async () => {
  const turns = createTurns()
  let entered = 0
  const stuck = Array.from({ length: 100 }, () => stuckCall())
  const waiting = stuck.map((call) => turns.take(call).then(() => (entered += 1)))
  const leave = await turns.take(willing())
  leave()
  expect(entered).toBe(0)
  for (const call of stuck.slice(0, 5)) call.take()
  await Promise.all(waiting.slice(0, 5))
  expect(entered).toBe(5)
})

test('few answers are begun at once; the next begins when one has left', async () => {
  const turns = createTurns()
  const begun: (() => void)[] = []
  const all = Array.from({ length: 40 }, () => turns.take(willing()).then((leave) => begun.push(leave)))
  await Promise.all(all.slice(0, 32))
  expect(begun.length).toBe(32)
  for (const leave of [...begun]) {
    leave()
    leave()
  }
  await Promise.all(all)
  expect(begun.length).toBe(40)
})

test('a client that went while it waited gets no turn', async () => {
  const call = stuckCall()
  const turn = createTurns().take(call)
  call.go()
  await expect(turn).rejects.toMatchObject({ code: Code.CANCELLED })
})
