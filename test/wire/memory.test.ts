import { expect, test } from 'vitest'
import type { Clock } from '../../src/core/clock.ts'
import { Code } from '../../src/wire/rpc.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { from, service, untilAborted } from './fixture.ts'
import { transportSuite } from './transport-suite.ts'

transportSuite('in memory', async (services) => {
  const channel = memoryChannel(services)
  return { channel, close: async () => channel.close() }
})

test('deadlines go by the clock that is given', async () => {
  let strike: (() => void) | undefined
  const clock: Clock = {
    now: () => 1000,
    after(_ms, callback) {
      strike = callback
      return () => undefined
    },
  }
  const services = [service({ Wait: { kind: 'unary', handle: (_request, call) => untilAborted(call) } })]
  const call = memoryChannel(services, { clock }).unary('test.Service/Wait', Buffer.alloc(0), { timeoutMs: 3_600_000 })
  strike?.()
  await expect(call).rejects.toMatchObject({ code: Code.DEADLINE_EXCEEDED })
})

test('a closed channel is UNAVAILABLE', async () => {
  const channel = memoryChannel([service({ Echo: { kind: 'unary', handle: (request) => request } })])
  channel.close()
  await expect(channel.unary('test.Service/Echo', Buffer.alloc(0))).rejects.toMatchObject({ code: Code.UNAVAILABLE })
})

test('what a handler keeps of borrowed messages is spoilt, so that a test sees it', async () => {
  const kept: Buffer[] = []
  const channel = memoryChannel([
    service({
      Keep: {
        kind: 'client-stream',
        borrows: true,
        async handle(requests) {
          for await (const each of requests) kept.push(each)
          return Buffer.alloc(0)
        },
      },
    }),
  ])
  await channel.clientStream('test.Service/Keep', from(Buffer.from('first'), Buffer.from('second')))
  expect(kept.map((each) => each.toString('hex'))).toEqual(['dd'.repeat(5), 'dd'.repeat(6)])
})
