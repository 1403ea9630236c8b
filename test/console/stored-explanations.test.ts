import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { explanationStore } from '../../src/console/explanation-store.ts'
import { openHistory } from '../../src/console/history.ts'
import { blobOf } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'

const client = { correlated: '', tool: '', toolVersion: '', target: '', mnemonic: '', configuration: '' }

async function open(ageMsMax = 1e12) {
  const clock = manualClock(0)
  const path = join(await testFolder(), 'history.db')
  const history = openHistory({ path, bounds: { bytesMax: 1e9, ageMsMax }, clock, log: quietLog })
  onTestFinished(() => history.close())
  const lookup = { kind: 'lookup' as const, at: 0, instance: '', lookup: { answer: 'absent' as const } }
  const event = { ...lookup, client: { ...client, invocation: 'one' }, action: blobOf('a').digest }
  history.use(({ ingest }) => ingest.add({ run: Buffer.from('run'), sequence: 1, dropped: 0, events: [event] }, 0))
  return { history, store: explanationStore(history) }
}

it('keeps a text for as long as the state is the same', async () => {
  const { store } = await open()
  const text = 'why '.repeat(1_000)
  store.put('one', '', 'now', text)
  expect([store.get('one', '', 'now'), store.has('one', '', 'now')]).toEqual([text, true])
  expect([store.get('one', '', 'later'), store.has('one', '', 'later')]).toEqual([undefined, false])
  store.put('one', '', 'later', 'other')
  expect([store.get('one', '', 'now'), store.get('one', '', 'later')]).toEqual([undefined, 'other'])
  store.put('no such build', '', 'now', text)
  expect(store.has('no such build', '', 'now')).toBe(false)
})

it('keeps of a build what was compared with any other, and the last comparisons with one', async () => {
  const { store } = await open()
  const others = Array.from({ length: 20 }, (_, at) => `build-${at}`)
  for (const against of ['', ...others]) store.put('one', against, 'now', 'text')
  expect(['', ...others].filter((against) => store.has('one', against, 'now'))).toEqual(['', ...others.slice(-9)])
})

it('forgets them with their build, and drops what is too long', async () => {
  const { history, store } = await open(1_000)
  store.put('one', 'long', 'now', 'x'.repeat(9 * 1024 * 1024))
  expect(store.has('one', 'long', 'now')).toBe(false)
  store.put('one', '', 'now', 'text')
  while (history.use(({ prune }) => prune(5_000)));
  expect(history.use(({ queries }) => queries.builds({ limit: 1 }))).toEqual([])
  expect(store.has('one', '', 'now')).toBe(false)
})
