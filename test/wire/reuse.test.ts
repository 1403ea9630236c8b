import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openChannel } from '../../src/wire/channel.ts'
import { BufferPool } from '../../src/wire/pool.ts'
import { type Call, Code, type RpcError, type Send } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { pattern, service } from './fixture.ts'

const method = 'test.Service/Download'

/** What a call asks for: messages of these lengths, of which the client takes so many. */
interface Asked {
  readonly id: number
  readonly lengths: readonly number[]
  readonly taken: number
}

/** The second part of a message; its first one is four bytes that say which it is. */
function expected({ id }: Asked, at: number, length: number): Buffer {
  return pattern(length, id * 1000 + at)
}

/** Sends each message out of memory that the next ones use again, spoilt as soon as it may be. */
function downloads(pool: BufferPool, given: () => void) {
  return service({
    Download: {
      kind: 'server-stream',
      async handle(request: Buffer, _call: Call, send: Send) {
        const asked = JSON.parse(request.toString()) as Asked
        for (const [at, length] of asked.lengths.entries()) {
          const bytes = pool.take(length)
          expected(asked, at, length).copy(bytes)
          const head = Buffer.allocUnsafe(4)
          head.writeUInt32BE(at)
          const sent = () => {
            bytes.fill(0xdd)
            pool.give(bytes)
            given()
          }
          await send(head, { bytes, sent })
        }
      },
    },
  })
}

test('memory that is used again once it is sent spoils no answer, however calls interleave and break off', async () => {
  const pool = new BufferPool(1024 * 1024)
  let given = 0
  const server = await listen(
    [
      downloads(pool, () => {
        given += 1
      }),
    ],
    { address: '127.0.0.1:0' },
  )
  const channels = [openChannel(`grpc://${server.address}`), openChannel(`grpc://${server.address}`)]
  const length = fc.oneof(fc.constantFrom(0, 1, 4096, 4097, 16_384, 65_536, 262_144), fc.nat(300_000))
  const call = fc.record({ lengths: fc.array(length, { minLength: 1, maxLength: 6 }), taken: fc.nat(8) })

  async function take(asked: Asked): Promise<void> {
    const messages = channels[asked.id % 2]?.serverStream(method, Buffer.from(JSON.stringify(asked)))
    if (!messages) throw new Error('there is no such channel')
    let at = 0
    for await (const message of messages) {
      const rest = message.subarray(4)
      if (message.readUInt32BE() !== at || !rest.equals(expected(asked, at, asked.lengths[at] ?? -1)))
        throw new Error(`message ${at} of call ${asked.id} is spoilt`)
      at += 1
      if (at === asked.taken) return
    }
    expect(at).toBe(asked.lengths.length)
  }

  try {
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 8, maxLength: 24 }), async (calls) => {
        await Promise.all(calls.map((each, id) => take({ ...each, id })))
      }),
      { numRuns: 15 },
    )
    expect(given).toBeGreaterThan(0)
  } finally {
    for (const each of channels) each.close()
    await server.close()
  }
}, 60_000)

test('an empty end of a message is not an end at all, and what is sent after the call has ended is refused', async () => {
  const pool = new BufferPool()
  const refused = Promise.withResolvers<unknown>()
  const server = await listen(
    [
      service({
        Download: {
          kind: 'server-stream',
          async handle(_request: Buffer, call: Call, send: Send) {
            await send(Buffer.from('head'), { bytes: Buffer.alloc(0) })
            await new Promise((resolve) => call.signal.addEventListener('abort', resolve))
            const late = async () =>
              send(Buffer.from('x'), { bytes: pool.take(5000), sent: () => refused.resolve('sent') })
            late().catch(refused.resolve)
          },
        },
      }),
    ],
    { address: '127.0.0.1:0' },
  )
  const channel = openChannel(`grpc://${server.address}`)
  try {
    for await (const message of channel.serverStream(method, Buffer.alloc(0))) {
      expect(message.toString()).toBe('head')
      break
    }
    expect(await refused.promise).toMatchObject({ code: Code.CANCELLED } satisfies Partial<RpcError>)
  } finally {
    channel.close()
    await server.close()
  }
})
