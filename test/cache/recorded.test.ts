import { expect, it } from 'vitest'
import { createActionsClient } from '../../src/client/actions.ts'
import { createCasClient } from '../../src/client/cas.ts'
import { createEvictions, resultOf } from '../../src/store/evictions.ts'
import { forExecute } from '../../src/wire/for-execute.ts'
import { seededBlob } from '../fixture/blob.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { keepingRecorder, saidBy } from '../fixture/recorder.ts'
import { blobOf, openCache } from './fixture.ts'

function open() {
  const { recorder, told } = keepingRecorder()
  const evictions = createEvictions(1e9, manualClock(), quietLog)
  const cache = openCache({ recorder, evictions })
  const { headers, value } = saidBy('build')
  return { ...cache, told, evictions, value, options: { metadata: headers } }
}

const action = blobOf('action').digest

it('a lookup is put down with who asked, and whether there was a result', async () => {
  const { channel, told, value, options } = open()
  const actions = createActionsClient(channel, { ...options, instance: 'main' })
  await actions.get(action)
  await actions.update(action, { exitCode: 0, stdoutRaw: new Uint8Array([1]) })
  await actions.get(action)
  expect(told.lookups).toEqual([
    { caller: { metadata: value, instance: 'main' }, hash: action.hash, found: { answer: 'absent' } },
    { caller: { metadata: value, instance: 'main' }, hash: action.hash, found: { answer: 'hit' } },
  ])
  expect(told.updates).toEqual([{ caller: { metadata: value, instance: 'main' }, hash: action.hash, exitCode: 0 }])
})

it('a miss says that the result was evicted, which the Action of the same digest was not', async () => {
  const { channel, told, evictions } = open()
  const actions = createActionsClient(channel)
  evictions.note(action, 10, undefined)
  await actions.get(action)
  evictions.note(resultOf(action), 10, undefined)
  await actions.get(action)
  expect(told.lookups.map(({ found }) => found)).toEqual([{ answer: 'absent' }, { answer: 'evicted', evictedMs: 0 }])
})

it('a miss says which blob of its result is gone', async () => {
  const { channel, blobs, told } = open()
  const output = blobOf('output')
  await createCasClient(channel).upload([{ digest: output.digest, content: output.bytes }])
  const actions = createActionsClient(channel)
  await actions.update(action, {
    outputFiles: [{ path: 'o', digest: { hash: output.digest.hash, sizeBytes: output.digest.size } }],
  })
  await blobs.delete(output.digest)
  await actions.get(action)
  expect(told.lookups.map(({ found }) => found)).toMatchObject([{ answer: 'incomplete', missing: output.digest }])
})

it('a lookup of the scheduler is left to the scheduler', async () => {
  const { channel, told } = open()
  await createActionsClient(channel, { metadata: forExecute() }).get(action)
  expect(told.lookups).toEqual([])
})

it('bytes are put down as they cross the wire, whichever way they take', async () => {
  const { channel, told, value, options } = open()
  const client = createCasClient(channel, options)
  const [small, large] = [blobOf('small'), seededBlob(1, 2_500_000)]
  await client.upload([small, large].map(({ digest, bytes }) => ({ digest, content: bytes })))
  await client.readBlobs([small.digest, large.digest])
  const sum = (which: 'received' | 'sent' | 'saved') => told.traffic.reduce((total, each) => total + each[which], 0)
  expect(sum('received')).toBe(2_500_005)
  expect(sum('sent')).toBe(2_500_005)
  expect(sum('saved')).toBe(0)
  await client.uploadMissing([{ digest: large.digest, content: large.bytes }])
  expect(sum('received')).toBe(2_500_005)
  expect(sum('saved')).toBe(2_500_000)
  expect(new Set(told.traffic.map(({ metadata }) => metadata))).toEqual(new Set([value]))
})

it('a longer header than any tool writes is not looked at', async () => {
  const { channel, told } = open()
  await createActionsClient(channel, { metadata: saidBy('x'.repeat(9_000)).headers }).get(action)
  expect(told.lookups.map(({ caller }) => caller.metadata)).toEqual([undefined])
})
