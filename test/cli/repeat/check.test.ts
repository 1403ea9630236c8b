import { expect, test } from 'vitest'
import { checkRepeatable } from '../../../src/cli/repeat/check.ts'
import { repeatText } from '../../../src/cli/repeat/text.ts'
import { wireDigest } from '../../../src/client/context.ts'
import { packSameWorker } from '../../../src/wire/elsewhere.ts'
import { Code, RpcError } from '../../../src/wire/rpc.ts'
import { missingBlobs } from '../../../src/wire/status.ts'
import { blobOf } from '../../fixture/blob.ts'
import { type Answer, createScene } from './scene.ts'

/** The report on one action whose runs are answered so. */
async function reportOn(answer: Answer) {
  const { cache, scheduler, action } = createScene(answer)
  const planned = { build: 'b', actions: [await action('//:a')], left: 0 }
  const signal = new AbortController().signal
  return checkRepeatable(cache, scheduler, planned, { jobs: 1, signal, onDone: () => undefined })
}

test('missing inputs are told as such', async () => {
  const report = await reportOn(async () => {
    throw missingBlobs([blobOf('input').digest], 'the storage lacks an input')
  })
  expect(report).toMatchObject({ checked: 0, stopped: null, notRun: [{ reason: 'inputs-missing', actions: 1 }] })
})

test('another failed precondition is told in the words of the server', async () => {
  const message = 'no worker has the property OSFamily=plan9'
  const report = await reportOn(async () => {
    throw new RpcError(Code.FAILED_PRECONDITION, message)
  })
  expect(report.notRun).toMatchObject([{ reason: 'refused', actions: 1, message }])
  expect(repeatText(report, 500)).toContain(message)
})

test('an output tree that has been evicted is not an action that is missing', async () => {
  const tree = blobOf('a tree that nobody keeps').digest
  const report = await reportOn(async () => ({ outputDirectories: [{ path: 'd', treeDigest: wireDigest(tree) }] }))
  expect(report.notRun).toMatchObject([{ reason: 'not-compared', actions: 1 }])
  expect(repeatText(report, 500)).toContain('1 action ran again, but what was made could not be compared (for example')
  expect(repeatText(report, 500)).toContain(tree.hash)
})

test('the second run is to avoid the worker of the first, and what comes of it is told', async () => {
  const avoided: string[] = []
  const elsewhere = await reportOn(async (_action, _cas, notOn) => {
    avoided.push(notOn)
    return { executionMetadata: { worker: notOn === 'w1' ? 'w2' : 'w1' } }
  })
  expect(avoided).toEqual(['', 'w1'])
  expect(elsewhere).toMatchObject({ checked: 1, same: 1, notElsewhere: [] })
  expect(repeatText(elsewhere, 500)).toBe('Build b: 1 action run again (on another worker), and it made the same.')
})

test.each([
  ['w1', [packSameWorker(true)], 'only-worker', 'because no other worker could run it'],
  ['w1', [packSameWorker(false)], 'others-busy', 'because no other worker was free in time for it'],
  ['', [], 'unknown', 'nothing says which worker made the result of it'],
] as const)('a run on worker "%s" again is told with its reason', async (worker, auxiliaryMetadata, reason, words) => {
  const report = await reportOn(async () => ({
    executionMetadata: { worker, auxiliaryMetadata: [...auxiliaryMetadata] },
  }))
  expect(report).toMatchObject({ checked: 1, same: 1, notElsewhere: [{ reason, actions: 1, example: '//:a M' }] })
  const text = repeatText(report, 500)
  expect(text).toContain('Build b: 1 action run again, and it made the same.')
  expect(text).toContain(words)
})
