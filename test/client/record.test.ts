import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it, onTestFinished } from 'vitest'
import { createRecording } from '../../src/client/record.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { consoleApi, type re } from '../../src/wire/proto.ts'
import { Code, RpcError } from '../../src/wire/rpc.ts'
import { blobOf } from '../fixture/blob.ts'
import { recordingLog } from '../fixture/log.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'

const caller = { metadata: Buffer.from('who').toString('base64'), instance: 'main' }
const action = blobOf('action').digest

const ended = {
  ...{ cached: false, merged: false, skipCacheLookup: false, doNotCache: false },
  ...{ status: 0, message: '', exitCode: 0, attempts: 1 },
}

/** A recorder, and a console that keeps what it is told, or is away. */
function open() {
  const clock = manualClock()
  const batches: consoleApi.RecordRequest[] = []
  const state = {
    away: false,
    deaf: false,
    usage: 0,
    refuse: (_request: consoleApi.RecordRequest): Code | undefined => undefined,
  }
  const channel = memoryChannel([
    {
      name: 'native.console.v1.Recorder',
      methods: {
        Record: {
          kind: 'unary',
          handle(bytes) {
            if (state.away) throw new RpcError(Code.UNAVAILABLE, 'away')
            const refusal = state.refuse(consoleApi.RecordRequest.decode(bytes))
            if (refusal !== undefined) throw new RpcError(refusal, 'refused')
            batches.push(consoleApi.RecordRequest.decode(bytes))
            if (state.deaf) throw new RpcError(Code.UNAVAILABLE, 'its answer is lost')
            return new Uint8Array()
          },
        },
      },
    },
  ])
  const metrics = createMetrics()
  const { log, lines } = recordingLog()
  const recording = createRecording({ channel, clock, log, metrics, usage: () => state.usage })
  onTestFinished(async () => {
    await recording.close()
    channel.close()
  })
  return {
    ...recording,
    clock,
    state,
    batches,
    lines,
    events: () => batches.flatMap(({ events }) => events),
    dropped: async () => Number(/^native_console_dropped_total (\d+)$/m.exec(await metrics.text())?.[1] ?? 0),
    async pass(ms: number): Promise<void> {
      clock.advance(ms)
      for (let turns = 0; turns < 5; turns += 1) await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

it('sends what happens within a quarter of a second together, each client’s metadata once', async () => {
  const { recorder, batches, pass } = open()
  recorder.lookup(caller, action, { answer: 'hit' })
  recorder.lookup({ ...caller, metadata: undefined }, action, { answer: 'absent' })
  await pass(249)
  expect(batches).toEqual([])
  recorder.update(caller, action, { exitCode: 3, stdoutRaw: new Uint8Array(1_000) })
  await pass(1)
  expect(batches).toHaveLength(1)
  expect(batches[0]?.clients.map(String)).toEqual(['who'])
  expect(batches[0]?.events.map(({ client }) => client)).toEqual([1, 0, 1])
  expect(batches[0]?.events[2]?.update).toMatchObject({ exitCode: 3 })
})

it('counts bytes together by client, and none of one that says nothing', async () => {
  const { recorder, events, pass } = open()
  recorder.traffic(caller.metadata, 10, 0)
  recorder.traffic(caller.metadata, 5, 2)
  recorder.traffic(caller.metadata, 0, 0, 100)
  recorder.traffic(undefined, 1_000, 0)
  recorder.traffic('', 0, 0)
  await pass(250)
  expect(events().map(({ traffic }) => traffic)).toEqual([{ received: 15, sent: 2, saved: 100 }])
})

it('sends many events in several batches, in their order', async () => {
  const { recorder, events, batches, pass } = open()
  for (let at = 0; at < 2_500; at += 1) recorder.lookup({ ...caller, instance: `${at}` }, action, { answer: 'hit' })
  for (let turns = 0; turns < 4; turns += 1) await pass(250)
  expect(batches.map(({ sequence }) => sequence)).toEqual([1, 2, 3])
  expect(events().map(({ instanceName }) => Number(instanceName))).toEqual(Array.from({ length: 2_500 }, (_, at) => at))
})

it('sends a batch a second while this server is busy, and the rest at once when it no longer is', async () => {
  const { recorder, state, batches, pass } = open()
  state.usage = 1
  for (let at = 0; at < 5_000; at += 1) recorder.lookup(caller, action, { answer: 'hit' })
  await pass(250)
  expect(batches).toHaveLength(1)
  await pass(999)
  expect(batches).toHaveLength(1)
  await pass(1)
  expect(batches).toHaveLength(2)
  state.usage = 0.5
  await pass(1_000)
  for (let turns = 0; turns < 2; turns += 1) await pass(10)
  expect(batches.map(({ events, dropped }) => [events.length, dropped])).toEqual(Array(5).fill([1_000, 0]))
})

it('keeps events while the console is away, drops and counts what is too much, and says so when it is back', async () => {
  const { recorder, state, batches, lines, dropped, pass } = open()
  state.away = true
  const many = 50_000
  for (let at = 0; at < many + 700; at += 1) recorder.lookup(caller, action, { answer: 'hit' })
  for (let seconds = 0; seconds < 60; seconds += 1) await pass(1_000)
  expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  expect(await dropped()).toBe(700)
  state.away = false
  for (let seconds = 0; seconds < 60; seconds += 1) await pass(1_000)
  expect(batches.reduce((sum, { events }) => sum + events.length, 0)).toBe(many)
  expect(batches.reduce((sum, each) => sum + each.dropped, 0)).toBe(700)
})

it('sends a batch whose answer was lost again under the same number', async () => {
  const { recorder, state, batches, pass } = open()
  state.deaf = true
  recorder.lookup(caller, action, { answer: 'hit' })
  await pass(250)
  state.deaf = false
  await pass(500)
  expect(batches.map(({ sequence, events }) => [sequence, events.length])).toEqual([
    [1, 1],
    [1, 1],
  ])
})

it.each(['INVALID_ARGUMENT', 'OUT_OF_RANGE'] as const)(
  'drops a batch that the console refuses with %s',
  async (code) => {
    const { recorder, state, batches, lines, dropped, pass } = open()
    state.refuse = ({ events }) => (events.length > 1 ? Code[code] : undefined)
    for (const _ of [1, 2, 3]) {
      recorder.lookup(caller, action, { answer: 'hit' })
      recorder.lookup(caller, action, { answer: 'hit' })
      await pass(250)
    }
    expect(await dropped()).toBe(6)
    recorder.lookup({ ...caller, instance: 'after' }, action, { answer: 'hit' })
    await pass(250)
    expect(batches.map(({ dropped, events }) => [dropped, events[0]?.instanceName])).toEqual([[6, 'after']])
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  },
)

it.each(['INTERNAL', 'UNKNOWN', 'DATA_LOSS', 'RESOURCE_EXHAUSTED'] as const)(
  'sends a batch over which the console fails with %s again, and drops it after some minutes',
  async (code) => {
    const { recorder, state, batches, dropped, pass } = open()
    state.refuse = ({ sequence }) => (sequence === 1 ? Code[code] : undefined)
    recorder.lookup(caller, action, { answer: 'hit' })
    await pass(250)
    recorder.lookup({ ...caller, instance: 'after' }, action, { answer: 'hit' })
    for (let seconds = 0; seconds < 60; seconds += 1) await pass(1_000)
    expect(await dropped()).toBe(0)
    for (let seconds = 0; seconds < 300; seconds += 1) await pass(1_000)
    expect(await dropped()).toBe(1)
    expect(batches.map(({ dropped, events }) => [dropped, events[0]?.instanceName])).toEqual([[1, 'after']])
  },
)

it.each(['UNAVAILABLE', 'PERMISSION_DENIED', 'UNAUTHENTICATED', 'UNIMPLEMENTED', 'DEADLINE_EXCEEDED'] as const)(
  'keeps a batch while the console takes none (%s)',
  async (code) => {
    const { recorder, state, events, dropped, pass } = open()
    state.refuse = () => Code[code]
    recorder.lookup(caller, action, { answer: 'hit' })
    for (let seconds = 0; seconds < 600; seconds += 1) await pass(1_000)
    state.refuse = () => undefined
    await pass(10_000)
    expect(events()).toHaveLength(1)
    expect(await dropped()).toBe(0)
  },
)

it('sends what waits when it is closed, and takes nothing afterwards', async () => {
  const { recorder, close, events, pass } = open()
  recorder.lookup(caller, action, { answer: 'hit' })
  await close()
  recorder.lookup(caller, action, { answer: 'hit' })
  await pass(1_000)
  expect(events()).toHaveLength(1)
})

it('sends no batch that is too long a message, however long what clients say of themselves', async () => {
  const { recorder, events, pass } = open()
  const callers = Array.from({ length: 1_000 }, (_, at) => ({
    ...caller,
    metadata: Buffer.from(`${at}`.padEnd(6_000)).toString('base64'),
  }))
  for (const each of callers) recorder.lookup(each, action, { answer: 'hit' })
  for (let turns = 0; turns < 10; turns += 1) await pass(1_000)
  expect(events()).toHaveLength(1_000)
})

const links = (count: number, letter: string): re.ActionResult.$Properties => ({
  exitCode: 0,
  outputSymlinks: Array.from({ length: count }, (_, at) => ({ path: `${at}`, target: letter.repeat(1_000) })),
  executionMetadata: { worker: `worker-${letter}` },
})

it('tells of an action that was run twice without what it made where that is too much for a message', async () => {
  const { recorder, batches, events, pass } = open()
  recorder.repeat(caller, action, { isSame: false, first: links(3_000, 'a'), second: links(3_000, 'b') })
  for (let each = 0; each < 9; each += 1)
    recorder.repeat(caller, action, { isSame: false, first: links(400, 'a'), second: links(400, 'b') })
  for (let turns = 0; turns < 10; turns += 1) await pass(1_000)
  expect(events().map(({ repeat }) => repeat?.first?.outputSymlinks?.length)).toEqual([0, ...Array(9).fill(400)])
  expect(events()[0]?.repeat).toMatchObject({
    same: false,
    first: { executionMetadata: { worker: 'worker-a' } },
    second: { executionMetadata: { worker: 'worker-b' } },
  })
  expect(batches.length).toBeGreaterThan(1)
})

it('keeps no more than 32 MiB while the console is away, and counts what is dropped', async () => {
  const { recorder, state, events, dropped, pass } = open()
  state.away = true
  const results = { isSame: false, first: links(400, 'a'), second: links(400, 'b') }
  for (let each = 0; each < 60; each += 1) recorder.repeat(caller, action, results)
  await pass(1_000)
  const lost = await dropped()
  expect(lost).toBeGreaterThan(10)
  state.away = false
  for (let turns = 0; turns < 60; turns += 1) await pass(1_000)
  expect(events()).toHaveLength(60 - lost)
})

it('keeps nothing of a long text but what it tells', () => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const bytes = () => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const { recorder } = open()
  const before = bytes()
  for (let each = 0; each < 50; each += 1) {
    const worker = Buffer.alloc(4_000_000, `${each} `).toString('latin1')
    recorder.update(caller, action, { executionMetadata: { worker } })
    recorder.execution(caller, action, { ...ended, message: worker })
  }
  expect(bytes() - before).toBeLessThan(50_000_000)
})

it('cuts what a client says of a worker', async () => {
  const { recorder, events, pass } = open()
  const worker = 'w'.repeat(5_000_000)
  recorder.update(caller, action, { executionMetadata: { worker, queuedTimestamp: { seconds: 5, nanos: 0 } } })
  recorder.execution(caller, action, { ...ended, metadata: { worker }, message: worker })
  await pass(1_000)
  expect(events()[0]?.update?.metadata).toMatchObject({ worker: 'w'.repeat(1_024), queuedTimestamp: { seconds: 5 } })
  expect(events()[1]?.execution).toMatchObject({ message: 'w'.repeat(1_024), metadata: { worker: 'w'.repeat(1_024) } })
})
