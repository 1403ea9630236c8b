import { describe, expect, test } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { digestOf } from '../../src/core/hash.ts'
import { packAny } from '../../src/wire/any.ts'
import { type Channel, Code, RpcError, type Service } from '../../src/wire/rpc.ts'
import { missingBlobs } from '../../src/wire/status.ts'
import { aborted, all, from, gate, pattern, service, standsStill, untilAborted } from './fixture.ts'

export interface Link {
  readonly channel: Channel
  close(): Promise<void>
}

const mib = 1024 * 1024

/** What any transport between a Channel and services does: the same for memory and network. */
export function transportSuite(name: string, connect: (services: readonly Service[]) => Promise<Link>): void {
  async function withLink(methods: Service['methods'], use: (channel: Channel) => Promise<void>): Promise<void> {
    const link = await connect([service(methods)])
    try {
      await use(link.channel)
    } finally {
      await link.close()
    }
  }

  describe(name, () => {
    test('a unary call brings request and answer over, empty ones and promises too', () =>
      withLink(
        {
          Now: { kind: 'unary', handle: (request) => request },
          Later: { kind: 'unary', handle: async (request) => Buffer.concat([request, request]) },
        },
        async (channel) => {
          expect(await channel.unary('test.Service/Now', pattern(100))).toEqual(pattern(100))
          expect(await channel.unary('test.Service/Now', Buffer.alloc(0))).toEqual(Buffer.alloc(0))
          expect((await channel.unary('test.Service/Later', Buffer.from('ab'))).toString()).toBe('abab')
        },
      ))

    test('messages just under 4 MiB pass both ways, larger answers and requests are RESOURCE_EXHAUSTED', () =>
      withLink({ Echo: { kind: 'unary', handle: (request) => request } }, async (channel) => {
        const large = pattern(4 * mib)
        expect((await channel.unary('test.Service/Echo', large)).equals(large)).toBe(true)
        await expect(channel.unary('test.Service/Echo', Buffer.alloc(5 * mib))).rejects.toMatchObject({
          code: Code.RESOURCE_EXHAUSTED,
        })
      }))

    test('16 MiB stream down byte for byte', () =>
      withLink(
        {
          Read: {
            kind: 'server-stream',
            async handle(request, _call, send) {
              for (let at = 0; at < 64; at += 1) await send(pattern(256 * 1024, at + (request[0] ?? 0)))
            },
          },
        },
        async (channel) => {
          let at = 0
          for await (const piece of channel.serverStream('test.Service/Read', Buffer.from([7]))) {
            expect(piece.equals(pattern(256 * 1024, at + 7))).toBe(true)
            at += 1
          }
          expect(at).toBe(64)
        },
      ))

    test('16 MiB stream up byte for byte', () =>
      withLink(
        {
          Write: {
            kind: 'client-stream',
            async handle(requests) {
              let at = 0
              for await (const piece of requests) {
                if (!piece.equals(pattern(256 * 1024, at))) throw new Failure('invalid', `piece ${at} differs`)
                at += 1
              }
              return Buffer.from(String(at))
            },
          },
        },
        async (channel) => {
          async function* pieces() {
            for (let at = 0; at < 64; at += 1) yield pattern(256 * 1024, at)
          }
          expect((await channel.clientStream('test.Service/Write', pieces())).toString()).toBe('64')
        },
      ))

    test('a bidirectional stream answers while it is asked', () =>
      withLink(
        {
          Talk: {
            kind: 'bidi',
            async handle(requests, _call, send) {
              for await (const each of requests) await send(Buffer.from(`re: ${each}`))
            },
          },
        },
        async (channel) => {
          const second = gate()
          async function* questions() {
            yield Buffer.from('one')
            await second.opened
            yield Buffer.from('two')
          }
          const answers: string[] = []
          for await (const each of channel.bidi('test.Service/Talk', questions())) {
            answers.push(each.toString())
            second.open()
          }
          expect(answers).toEqual(['re: one', 're: two'])
        },
      ))

    test('metadata reaches the handler, binary metadata in base64', () =>
      withLink(
        {
          Tell: {
            kind: 'unary',
            handle: (_request, call) =>
              Buffer.from(JSON.stringify([call.metadata.get('x-tag'), call.metadata.get('x-id-bin'), call.method])),
          },
        },
        async (channel) => {
          const metadata = { 'X-Tag': 'blue', 'x-id-bin': Buffer.from([0, 255, 1]).toString('base64') }
          const told = await channel.unary('test.Service/Tell', Buffer.alloc(0), { metadata })
          const [tag, id, method] = JSON.parse(told.toString())
          expect([tag, method]).toEqual(['blue', 'test.Service/Tell'])
          expect(Buffer.from(id, 'base64')).toEqual(Buffer.from([0, 255, 1]))
        },
      ))

    test('an RpcError arrives with code, message and details', () =>
      withLink(
        {
          Fail: {
            kind: 'unary',
            handle() {
              throw new RpcError(Code.ABORTED, 'très 100% mauvais\n', [packAny('test.Detail', Buffer.from('facts'))])
            },
          },
        },
        async (channel) => {
          const error = await channel.unary('test.Service/Fail', Buffer.alloc(0)).catch((each: unknown) => each)
          expect(error).toBeInstanceOf(RpcError)
          expect(error).toMatchObject({ code: Code.ABORTED, message: 'très 100% mauvais\n' })
          const [detail] = (error as RpcError).details
          expect(detail?.type_url).toBe('type.googleapis.com/test.Detail')
          expect(Buffer.from(detail?.value ?? []).toString()).toBe('facts')
        },
      ))

    test('a Failure arrives with its text, any other error without', () =>
      withLink(
        {
          Expected: {
            kind: 'server-stream',
            async handle() {
              throw new Failure('not-found', 'no such thing', { where: 'abc/3', next: ['Look elsewhere.'] })
            },
          },
          Bug: {
            kind: 'unary',
            async handle() {
              throw new TypeError('secret')
            },
          },
        },
        async (channel) => {
          await expect(all(channel.serverStream('test.Service/Expected', Buffer.alloc(0)))).rejects.toMatchObject({
            code: Code.NOT_FOUND,
            message: 'no such thing (abc/3). Look elsewhere.',
          })
          await expect(channel.unary('test.Service/Bug', Buffer.alloc(0))).rejects.toMatchObject({
            code: Code.INTERNAL,
            message: 'internal error',
          })
        },
      ))

    test('rule 25: MISSING violations for many blobs still arrive', () =>
      withLink(
        {
          Execute: {
            kind: 'server-stream',
            async handle() {
              const digests = Array.from({ length: 500 }, (_, at) => ({
                fn: 'sha256' as const,
                hash: at.toString(16).padStart(64, '0'),
                size: at,
              }))
              throw missingBlobs(digests, 'inputs are missing')
            },
          },
        },
        async (channel) => {
          const error = await all(channel.serverStream('test.Service/Execute', Buffer.alloc(0))).catch((each) => each)
          expect(error).toMatchObject({ code: Code.FAILED_PRECONDITION, message: 'inputs are missing' })
          expect(error.details[0].type_url).toBe('type.googleapis.com/google.rpc.PreconditionFailure')
        },
      ))

    test('messages before an error arrive first', () =>
      withLink(
        {
          Some: {
            kind: 'server-stream',
            async handle(_request, _call, send) {
              await send(Buffer.from('a'))
              await send(Buffer.from('b'))
              throw new RpcError(Code.DATA_LOSS, 'the rest is gone')
            },
          },
        },
        async (channel) => {
          const seen: string[] = []
          const reading = (async () => {
            for await (const each of channel.serverStream('test.Service/Some', Buffer.alloc(0))) seen.push(`${each}`)
          })()
          await expect(reading).rejects.toMatchObject({ code: Code.DATA_LOSS })
          expect(seen).toEqual(['a', 'b'])
        },
      ))

    test('messages before an error arrive first, also when nobody has read yet', async () => {
      const failed = gate()
      await withLink(
        {
          Some: {
            kind: 'server-stream',
            async handle(_request, _call, send) {
              for (const each of 'abc') void send(Buffer.from(each))
              failed.open()
              throw new RpcError(Code.DATA_LOSS, 'the rest is gone')
            },
          },
        },
        async (channel) => {
          const seen: string[] = []
          const reading = (async () => {
            for await (const each of channel.serverStream('test.Service/Some', Buffer.alloc(0))) {
              await failed.opened
              seen.push(`${each}`)
            }
          })()
          await expect(reading).rejects.toMatchObject({ code: Code.DATA_LOSS })
          expect(seen).toEqual(['a', 'b', 'c'])
        },
      )
    })

    test('an unknown method is UNIMPLEMENTED', () =>
      withLink({}, async (channel) => {
        await expect(channel.unary('test.Service/None', Buffer.alloc(0))).rejects.toMatchObject({
          code: Code.UNIMPLEMENTED,
        })
      }))

    test('cancelling aborts the handler and ends the call', async () => {
      const started = gate()
      const seen = gate<unknown>()
      await withLink(
        {
          Wait: {
            kind: 'unary',
            async handle(_request, call) {
              started.open()
              seen.open(await aborted(call))
              throw call.signal.reason
            },
          },
        },
        async (channel) => {
          const controller = new AbortController()
          const call = channel.unary('test.Service/Wait', Buffer.alloc(0), { signal: controller.signal })
          await started.opened
          controller.abort()
          await expect(call).rejects.toMatchObject({ code: Code.CANCELLED })
          expect(await seen.opened).toMatchObject({ code: Code.CANCELLED })
        },
      )
    })

    test('leaving a stream early aborts the handler', async () => {
      const seen = gate<unknown>()
      await withLink(
        {
          Endless: {
            kind: 'server-stream',
            async handle(_request, call, send) {
              await send(Buffer.from('first'))
              seen.open(await aborted(call))
            },
          },
        },
        async (channel) => {
          for await (const _each of channel.serverStream('test.Service/Endless', Buffer.alloc(0))) break
          expect(await seen.opened).toMatchObject({ code: Code.CANCELLED })
        },
      )
    })

    test('a deadline ends the call and aborts the handler', async () => {
      const seen = gate<unknown>()
      const deadline = gate<number | undefined>()
      await withLink(
        {
          Wait: {
            kind: 'bidi',
            async handle(_requests, call) {
              deadline.open(call.deadline)
              seen.open(await aborted(call))
            },
          },
        },
        async (channel) => {
          const before = Date.now()
          const asking = channel.bidi('test.Service/Wait', from(), { timeoutMs: 150 })
          await expect(all(asking)).rejects.toMatchObject({ code: Code.DEADLINE_EXCEEDED })
          expect((await deadline.opened) ?? 0).toBeGreaterThan(before)
          // Whichever side's clock strikes first: a reset so close to the deadline is taken for that of a
          // client that may come back.
          const codes = [Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE]
          expect(codes).toContain(((await seen.opened) as RpcError).code)
        },
      )
    })

    test('rule 7: an answer before the client has sent everything arrives', () =>
      withLink(
        {
          Early: {
            kind: 'client-stream',
            async handle(requests) {
              for await (const first of requests) return first
              return Buffer.alloc(0)
            },
          },
        },
        async (channel) => {
          async function* many() {
            yield Buffer.from('first')
            for (let at = 0; at < 64; at += 1) yield Buffer.alloc(256 * 1024)
          }
          for (let round = 0; round < 3; round += 1)
            expect((await channel.clientStream('test.Service/Early', many())).toString()).toBe('first')
        },
      ))

    test('what the source of requests throws reaches the caller, and the handler is aborted', async () => {
      const started = gate()
      const seen = gate<unknown>()
      await withLink(
        {
          Write: {
            kind: 'client-stream',
            async handle(_requests, call) {
              started.open()
              seen.open(await aborted(call))
              return untilAborted(call)
            },
          },
        },
        async (channel) => {
          async function* broken() {
            yield Buffer.from('some')
            await started.opened
            throw new Failure('not-found', 'the file is gone')
          }
          await expect(channel.clientStream('test.Service/Write', broken())).rejects.toMatchObject({
            kind: 'not-found',
          })
          await seen.opened
        },
      )
    })

    test('a slow handler holds the client back, and nothing is lost', async () => {
      const go = gate()
      let sent = 0
      await withLink(
        {
          Slow: {
            kind: 'client-stream',
            async handle(requests) {
              await go.opened
              let bytes = 0
              for await (const each of requests) bytes += each.length
              return Buffer.from(String(bytes))
            },
          },
          Echo: { kind: 'unary', handle: (request) => request },
        },
        async (channel) => {
          async function* endless() {
            for (; sent < 128; sent += 1) yield Buffer.alloc(256 * 1024)
          }
          const call = channel.clientStream('test.Service/Slow', endless())
          await standsStill(
            () => sent,
            () => channel.unary('test.Service/Echo', Buffer.alloc(0)),
          )
          expect(sent * 256 * 1024).toBeLessThan(16 * mib)
          go.open()
          expect((await call).toString()).toBe(String(32 * mib))
        },
      )
    })

    test('a client that stops reading holds the handler back', async () => {
      let sent = 0
      await withLink(
        {
          Flood: {
            kind: 'server-stream',
            async handle(_request, _call, send) {
              for (; sent < 128; sent += 1) await send(Buffer.alloc(256 * 1024))
            },
          },
          Echo: { kind: 'unary', handle: (request) => request },
        },
        async (channel) => {
          let bytes = 0
          for await (const each of channel.serverStream('test.Service/Flood', Buffer.alloc(0))) {
            if (bytes === 0) {
              await standsStill(
                () => sent,
                () => channel.unary('test.Service/Echo', Buffer.alloc(0)),
              )
              expect(sent * 256 * 1024).toBeLessThan(16 * mib)
            }
            bytes += each.length
          }
          expect(bytes).toBe(32 * mib)
        },
      )
      expect(sent).toBe(128)
    })

    test('sending after the call has ended throws CANCELLED', async () => {
      const outcome = gate<unknown>()
      await withLink(
        {
          Flood: {
            kind: 'server-stream',
            async handle(_request, call, send) {
              await send(Buffer.from('x'))
              await aborted(call)
              try {
                await send(Buffer.from('y'))
              } catch (error) {
                outcome.open(error)
              }
            },
          },
        },
        async (channel) => {
          for await (const _each of channel.serverStream('test.Service/Flood', Buffer.alloc(0))) break
          expect(await outcome.opened).toMatchObject({ code: Code.CANCELLED })
        },
      )
    })

    test('methods that borrow their messages see them whole for as long as they may', () =>
      withLink(
        {
          Sum: {
            kind: 'client-stream',
            borrows: true,
            async handle(requests) {
              const sums: string[] = []
              for await (const each of requests) {
                const before = digestOf('sha256', each).hash
                await new Promise(setImmediate)
                sums.push(digestOf('sha256', each).hash === before ? before : 'changed')
              }
              return Buffer.from(sums.join())
            },
          },
          One: {
            kind: 'unary',
            borrows: true,
            async handle(request) {
              const before = digestOf('sha256', request).hash
              await new Promise(setImmediate)
              return Buffer.from(digestOf('sha256', request).hash === before ? before : 'changed')
            },
          },
        },
        async (channel) => {
          const sizes = [0, 10, 5000, 9000, 70_000, 300_000, 8192, 8193]
          const call = async (seed: number) => {
            const pieces = sizes.map((size) => pattern(size, seed))
            const sums = pieces.map((each) => digestOf('sha256', each).hash)
            expect((await channel.clientStream('test.Service/Sum', from(...pieces))).toString()).toBe(sums.join())
            for (const [at, piece] of pieces.entries())
              expect((await channel.unary('test.Service/One', piece)).toString()).toBe(sums[at])
          }
          await Promise.all(Array.from({ length: 20 }, (_, seed) => call(seed)))
        },
      ))

    test('a thousand calls at once each get their own answer', () =>
      withLink({ Echo: { kind: 'unary', handle: async (request) => request } }, async (channel) => {
        const answers = await Promise.all(
          Array.from({ length: 1000 }, (_, at) => channel.unary('test.Service/Echo', Buffer.from(`call ${at}`))),
        )
        expect(answers.map(String)).toEqual(Array.from({ length: 1000 }, (_, at) => `call ${at}`))
      }))
  })
}
