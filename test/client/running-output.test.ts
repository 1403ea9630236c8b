import { expect, it, onTestFinished } from 'vitest'
import { createRunningOutputs } from '../../src/client/running-output.ts'
import { workerApi } from '../../src/wire/proto.ts'
import { Code, RpcError } from '../../src/wire/rpc.ts'
import { eventually } from '../fixture/eventually.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { quietLog } from '../fixture/quiet-log.ts'

type Send = (event: workerApi.OutputEvent.$Properties) => void

/** A scheduler whose calls stay open, and tell what the test has them tell. */
function open() {
  const clock = manualClock()
  const calls: {
    readonly send: Send
    readonly sendBytes: (bytes: Uint8Array) => void
    readonly breakOff: (error?: RpcError) => void
    readonly request: workerApi.FollowOutputRequest
    ended: boolean
  }[] = []
  const warned: object[] = []
  const channel = memoryChannel([
    {
      name: 'native.worker.v1.Status',
      methods: {
        FollowOutput: {
          kind: 'server-stream',
          async handle(bytes, { signal }, send) {
            const { promise: broken, resolve, reject } = Promise.withResolvers<void>()
            const sendBytes = (message: Uint8Array) => void send(message)
            const call = {
              send: (event: workerApi.OutputEvent.$Properties) =>
                sendBytes(workerApi.OutputEvent.encode(event).finish()),
              sendBytes,
              breakOff: (error?: RpcError) => (error ? reject(error) : resolve()),
              request: workerApi.FollowOutputRequest.decode(bytes),
              ended: false,
            }
            calls.push(call)
            await Promise.race([broken, new Promise((resolve) => signal.addEventListener('abort', resolve))])
            call.ended = true
          },
        },
      },
    },
  ])
  const log = { ...quietLog, warn: (_: string, fields: object = {}) => void warned.push(fields) }
  const outputs = createRunningOutputs(channel, clock, log)
  onTestFinished(() => {
    outputs.close()
    channel.close()
  })
  return { clock, calls, outputs, warned }
}

const begun = (run: number, hash: string) => ({ run, begun: { actionDigest: { hash, sizeBytes: 1 } } })
const printed = (run: number, text: string, lost = 0, stream = workerApi.Output.Stream.STDOUT) => ({
  run,
  output: { stream, data: Buffer.from(text), lost },
})

it('has the last lines of the one action that was asked for', async () => {
  const { calls, outputs } = open()
  expect(outputs.of('a')).toMatchObject({ isComplete: false, whyUnheard: undefined })
  const [call] = await eventually(
    async () => calls,
    ({ length }) => length === 1,
  )
  call?.send(begun(1, 'b'))
  call?.send(begun(2, 'a'))
  call?.send(printed(1, 'of another action'))
  call?.send(printed(2, 'one\n'))
  call?.send(printed(2, 'warning', 0, workerApi.Output.Stream.STDERR))
  call?.send(printed(2, 'two\n'))
  const of = () => ({ text: `${outputs.of('a').stdout.bytes}`, before: outputs.of('a').stdout.before })
  await eventually(
    async () => of().text,
    (text) => text === 'one\ntwo\n',
  )
  expect(`${outputs.of('a').stderr.bytes}`).toBe('warning')
  expect(of().before).toBe(0)

  expect(calls.map(({ request }) => request.actionHash)).toEqual(['a'])
})

it('shows no line whose beginning is left out: a secret is known by what stands there', async () => {
  const { calls, outputs } = open()
  outputs.of('a')
  const [call] = await eventually(
    async () => calls,
    ({ length }) => length === 1,
  )
  async function becomes(text: string, before: number): Promise<void> {
    await eventually(
      async () => {
        const stdout = outputs.of('a').stdout
        return { text: `${stdout.bytes}`, before: stdout.before }
      },
      (now) => now.text === text && now.before === before,
    )
  }
  call?.send(begun(1, 'a'))
  call?.send(printed(1, 'one\ntwo\n'))
  await becomes('one\ntwo\n', 0)
  // A gap, as at the beginning of what a scheduler still keeps.
  call?.send(printed(1, 'nter2\nafter a gap\n', 100))
  await becomes('after a gap\n', 114)
  call?.send(printed(1, 'hun', 10))
  await becomes('', 139)
  call?.send(printed(1, 'ter2'))
  await becomes('', 143)
  call?.send(printed(1, '\n'))
  await becomes('', 144)
  // The window begins within the line of the secret, whose name is 40,000 bytes before.
  call?.send(printed(1, `API_TOKEN=${'x'.repeat(40_000)}`))
  await becomes('', 40_154)
  call?.send(printed(1, 'hunter2\nnext'))
  await becomes('next', 40_162)
  call?.send(printed(1, ' line\n'))
  await becomes('next line\n', 40_162)
})

it('follows again, after a while, what its scheduler broke off, though somebody asks all the time', async () => {
  const { clock, calls, outputs } = open()
  outputs.of('a')
  await eventually(
    async () => calls.length,
    (length) => length === 1,
  )
  calls[0]?.breakOff()
  await eventually(
    async () => {
      outputs.of('a')
      clock.advance(1_000)
      return calls.length
    },
    (length) => length === 2,
  )
})

it('a message that cannot be read ends the one call, and it is begun again after a while', async () => {
  const { clock, calls, outputs, warned } = open()
  outputs.of('a')
  outputs.of('b')
  await eventually(
    async () => calls.length,
    (length) => length === 2,
  )
  // A field of a length that the message does not have.
  calls[0]?.sendBytes(Buffer.from([0x1a, 0x7f, 0x00]))
  await eventually(
    async () => calls[0]?.ended === true && warned.length > 0,
    (isOver) => isOver,
  )
  expect(warned).toEqual([{ error: expect.any(Error) }])
  await eventually(
    async () => {
      for (const hash of ['a', 'b']) outputs.of(hash)
      clock.advance(1_000)
      return calls.length
    },
    (length) => length === 3,
  )
  expect(calls.map(({ ended }) => ended)).toEqual([true, false, false])
})

it('follows eight actions at most, each for as long as somebody asks', async () => {
  const { clock, calls, outputs } = open()
  for (let each = 0; each < 20; each += 1) outputs.of(`${each}`)
  await eventually(
    async () => calls.length,
    (length) => length === 8,
  )
  for (let seconds = 0; seconds < 30; seconds += 5) {
    outputs.of('3')
    clock.advance(5_000)
  }
  await eventually(
    async () => calls.map(({ ended }) => ended),
    (ended) => ended.every((each, at) => each === (at !== 3)),
  )
  outputs.of('19')
  await eventually(
    async () => calls.length,
    (length) => length === 9,
  )
  outputs.close()
  await eventually(
    async () => calls.every(({ ended }) => ended),
    (ended) => ended,
  )
})

/** The one call that there is, once there is one. */
async function firstOf<T>(calls: readonly T[]): Promise<T> {
  await eventually(
    async () => calls.length,
    (length) => length > 0,
  )
  const [call] = calls
  if (!call) throw new Error('there is one')
  return call
}

it('what has ended stays whole for as long as it is held, which asking for it does not prolong', async () => {
  const { clock, calls, outputs } = open()
  expect(outputs.held('a')).toBeUndefined()
  outputs.of('a')
  const call = await firstOf(calls)
  call.send(begun(7, 'a'))
  call.send(printed(7, 'last line'))
  call.send({ run: 7, ended: {} })
  await eventually(
    async () => outputs.held('a')?.isComplete,
    (isComplete) => isComplete === true,
  )
  expect(`${outputs.held('a')?.stdout.bytes}`).toBe('last line')
  clock.advance(9_999)
  expect(outputs.held('a')).toBeDefined()
  clock.advance(1)
  expect(outputs.held('a')).toBeUndefined()
  await eventually(
    async () => call.ended,
    (ended) => ended,
  )
  expect(calls).toHaveLength(1)
})

it('is followed until ten seconds after the last question, whenever the first one was', async () => {
  const { clock, calls, outputs } = open()
  outputs.of('a')
  await firstOf(calls)
  clock.advance(1_000)
  outputs.of('b')
  clock.advance(8_000)
  outputs.of('a')
  clock.advance(9_999)
  expect([outputs.held('a') === undefined, outputs.held('b') === undefined]).toEqual([false, true])
  clock.advance(1)
  expect(outputs.held('a')).toBeUndefined()
})

it('says why it follows nothing: too many, a call that was refused or broke off, a run that is not told', async () => {
  const { clock, calls, outputs } = open()
  for (let each = 0; each < 8; each += 1) outputs.of(`${each}`)
  expect(outputs.of('8').whyUnheard).toContain('8 other actions')
  expect(outputs.held('8')).toBeUndefined()
  await eventually(
    async () => calls.length,
    (length) => length === 8,
  )
  const why = (hash: string) => outputs.of(hash).whyUnheard
  async function says(hash: string, text: string | undefined): Promise<void> {
    await eventually(
      async () => why(hash),
      (now) => (text === undefined ? now === undefined : now?.includes(text) === true),
    )
  }
  const callOf = (hash: string) => calls.findLast(({ request }) => request.actionHash === hash)
  callOf('0')?.breakOff(new RpcError(Code.PERMISSION_DENIED, 'that takes the right read'))
  callOf('1')?.breakOff(new RpcError(Code.UNIMPLEMENTED, 'unknown method'))
  callOf('2')?.breakOff()
  callOf('3')?.send({ run: 0, flight: { operations: 1, skipped: 1 } })
  callOf('4')?.send(begun(1, '4'))
  callOf('4')?.send({ run: 1, ended: { broken: 'worker w1 was lost' } })
  await says('0', 'that takes the right read')
  await says('1', 'earlier release')
  await says('2', 'it ended the call')
  await says('3', 'it leaves out 1 run')
  await says('4', 'worker w1 was lost')
  await says('5', undefined)
  // It is said until the next call has told something, and no longer.
  clock.advance(9_000)
  for (let each = 0; each < 8; each += 1) outputs.of(`${each}`)
  clock.advance(1_000)
  for (let each = 0; each < 8; each += 1) outputs.of(`${each}`)
  await eventually(
    async () => calls.length,
    (length) => length === 11,
  )
  expect(why('2')).toBeDefined()
  callOf('2')?.send({ run: 0, flight: { operations: 1 } })
  await says('2', undefined)
  // A run that begins is told after all.
  callOf('3')?.send(begun(1, '3'))
  callOf('4')?.send(begun(2, '4'))
  await says('3', undefined)
  await says('4', undefined)
})
