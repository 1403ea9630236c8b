import { expect, test } from 'vitest'
import type { Ended } from '../../src/client/recorder.ts'
import { createTraces, traceIdOf } from '../../src/client/traces.ts'
import type { Span } from '../../src/telemetry/otlp.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'
import { manualClock } from '../fixture/manual-clock.ts'

const began = 1_700_000_000_000
const invocation = '3F2A19C0-8d11-4a53-9a55-3e1f2d6a70c4'
const { digest } = blobOf('an action')
const after = (ms: number) => ({ seconds: (began + ms) / 1000, nanos: 0 })

function open() {
  const spans: Span[] = []
  const clock = manualClock(began + 10_000)
  const traces = createTraces({ add: (span) => void spans.push(span) }, clock)
  return { spans, clock, traces, execution: traces.recorder.execution }
}

function callerOf(toolInvocationId: string, tool = 'bazel') {
  const bytes = re.RequestMetadata.encode({
    toolInvocationId,
    toolDetails: { toolName: tool },
    targetId: '//app:lib',
    actionMnemonic: 'CppCompile',
  }).finish()
  return { metadata: Buffer.from(bytes).toString('base64'), instance: 'main' }
}

const ended: Ended = {
  ...{ cached: false, merged: false, skipCacheLookup: false, doNotCache: false },
  ...{ status: 0, message: '', exitCode: 0, attempts: 1 },
  metadata: {
    worker: 'w1',
    queuedTimestamp: after(0),
    workerStartTimestamp: after(1_000),
    inputFetchStartTimestamp: after(1_000),
    inputFetchCompletedTimestamp: after(2_000),
    executionStartTimestamp: after(2_000),
    executionCompletedTimestamp: after(8_000),
    outputUploadStartTimestamp: after(8_000),
    outputUploadCompletedTimestamp: after(9_000),
  },
}

test('a build is a trace under its invocation, its actions are below it, and what they went through below those', () => {
  const { spans, clock, execution } = open()
  execution(callerOf(invocation), digest, ended)
  clock.advance(40_000)
  const build = spans.find(({ name }) => name === 'build')
  const action = spans.find(({ name }) => name === 'CppCompile')
  const shape = (parentSpanId: string | undefined, name: string, from: number, to: number) => ({
    ...{ traceId: '3f2a19c08d114a539a553e1f2d6a70c4', name, start: began + from, end: began + to },
    ...(parentSpanId !== undefined && { parentSpanId }),
  })
  expect(spans).toMatchObject([
    shape(build?.spanId, 'CppCompile', 0, 10_000),
    shape(action?.spanId, 'queue', 0, 1_000),
    shape(action?.spanId, 'fetch', 1_000, 2_000),
    shape(action?.spanId, 'run', 2_000, 8_000),
    shape(action?.spanId, 'upload', 8_000, 9_000),
    shape(undefined, 'build', 0, 10_000),
  ])
  expect(action?.attributes).toMatchObject({
    'native.target': '//app:lib',
    'native.worker': 'w1',
    'native.cached': false,
  })
  expect(build?.attributes).toEqual({ 'native.invocation': invocation, 'native.tool': 'bazel', 'native.actions': 1 })
  expect(build?.parentSpanId).toBeUndefined()
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length)
})

test('a cached result has no times of this build, and a failure is an error', () => {
  const { spans, traces, execution } = open()
  execution(callerOf(invocation), digest, { ...ended, cached: true })
  execution(callerOf(invocation), digest, { ...ended, metadata: null, exitCode: 3 })
  execution(callerOf(invocation), digest, { ...ended, metadata: null, status: 4, message: 'too slow' })
  traces.close()
  expect(spans.map(({ name, start, error }) => ({ name, start, error }))).toEqual([
    { name: 'CppCompile', start: began + 10_000, error: undefined },
    { name: 'CppCompile', start: began + 10_000, error: 'exit code 3' },
    { name: 'CppCompile', start: began + 10_000, error: 'too slow' },
    { name: 'build', start: began + 10_000, error: undefined },
  ])
  expect(spans.at(-1)?.attributes).toMatchObject({ 'native.actions': 3, 'native.failed_actions': 2 })
})

test('times that no collector can take are not known, and a message is as long as other texts', () => {
  const { spans, traces, execution } = open()
  const metadata = {
    ...ended.metadata,
    executionCompletedTimestamp: { seconds: 9_223_372_037, nanos: 0 },
    outputUploadCompletedTimestamp: { seconds: Number.MAX_SAFE_INTEGER, nanos: 0 },
  }
  execution(callerOf(invocation), digest, { ...ended, metadata, status: 13, message: 'x'.repeat(5_000) })
  traces.close()
  expect(spans.map(({ name }) => name)).toEqual(['CppCompile', 'queue', 'fetch', 'build'])
  expect(spans[0]?.error).toBe('x'.repeat(1024))
})

test('a client that goes on after a pause has another span in the same trace', () => {
  const { spans, clock, traces, execution } = open()
  execution(callerOf(invocation), digest, { ...ended, cached: true })
  clock.advance(40_000)
  execution(callerOf(invocation), digest, { ...ended, cached: true })
  traces.close()
  const builds = spans.filter(({ name }) => name === 'build')
  expect(new Set(builds.map(({ spanId }) => spanId)).size).toBe(2)
  expect(new Set(builds.map(({ traceId }) => traceId)).size).toBe(1)
})

test('rubbish, our own checks and those who say nothing of themselves leave no trace', () => {
  const { spans, traces, execution } = open()
  execution({ metadata: undefined, instance: '' }, digest, ended)
  execution({ metadata: Buffer.from([0xff, 0xff]).toString('base64'), instance: '' }, digest, ended)
  execution(callerOf(''), digest, ended)
  execution(callerOf(invocation, 'native-check'), digest, ended)
  traces.close()
  expect(spans).toEqual([])
})

test('an invocation that is no UUID has a trace all the same', () => {
  expect(traceIdOf('nightly 7')).toMatch(/^[0-9a-f]{32}$/)
  expect(traceIdOf('nightly 7')).toBe(traceIdOf('nightly 7'))
  expect(traceIdOf('00000000-0000-0000-0000-000000000000')).not.toMatch(/^0+$/)
})
