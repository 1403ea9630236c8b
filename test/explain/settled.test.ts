import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import type { BuildRecord, LocalHistory } from '../../src/core/build-history.ts'
import { explainBuild, explainSettled } from '../../src/explain/build.ts'
import { createExplanations } from '../../src/explain/explanations.ts'
import { causeText } from '../../src/explain/sentences.ts'
import { createSettled } from '../../src/explain/settled.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { createScene, type Scene, type Seen } from './scene.ts'

let scene: Scene
beforeEach(() => {
  scene = createScene()
})
afterEach(() => scene.dispose())

/** All that a scene builds was long ago. */
const late = Date.parse('2026-11-29T12:00:00Z')

const compile = (name: string, header: string, more: Partial<Seen> = {}): Seen => ({
  target: `//app:${name}`,
  mnemonic: 'CppCompile',
  makes: [`out/${name}.o`],
  inputs: { app: { [`${name}.cc`]: name }, out: { 'version.h': header } },
  ...more,
})
const stamp = (value: string, more: Partial<Seen> = {}): Seen => ({
  target: '//base:gen_version',
  makes: ['out/version.h'],
  argv: ['gen', `--stamp=${value}`],
  ...more,
})

async function last(): Promise<BuildRecord> {
  const [build] = await scene.history.builds({ limit: 1 })
  if (!build) throw new Error('there is no build')
  return build
}

/** A history that counts the actions whose records are read. */
function counting(history: LocalHistory = scene.history) {
  const read: number[] = []
  const counted: LocalHistory = {
    ...history,
    records(rows) {
      read.push(...rows)
      return history.records(rows)
    },
  }
  return { history: counted, read }
}

test('what was found while a build went on is not found again at its end, and is the same', async () => {
  scene.build('one', [stamp('1'), compile('a', '1'), compile('b', '1')])
  scene.build('two', [stamp('2'), compile('a', '2'), compile('c', '2', { outcome: 'hit' })])
  const { history, read } = counting()
  const clock = manualClock((await last()).lastSeen + 5_000)
  const settled = createSettled(history, clock)
  await explainSettled(history, await last(), settled)
  expect(read).toHaveLength(2)
  scene.build('two', [compile('b', '2')])
  clock.advance(120_000)
  const explanation = await explainBuild(history, await last(), { settled })
  expect(read).toHaveLength(3)
  expect(explanation).toEqual(await explainBuild(scene.history, await last()))
  expect(explanation.causes.map((each) => `${each.actions} ${causeText(each)}`)).toEqual([
    '3 argument --stamp=1 became --stamp=2',
  ])
})

test('an action that has ended meanwhile is found anew', async () => {
  scene.build('one', [compile('a', '1')])
  scene.build('two', [compile('a', '2', { outcome: 'missed', keeps: 'action' })])
  const clock = manualClock((await last()).lastSeen + 5_000)
  const settled = createSettled(scene.history, clock)
  await explainSettled(scene.history, await last(), settled)
  scene.build('two', [compile('a', '2')])
  clock.advance(120_000)
  const explanation = await explainBuild(scene.history, await last(), { settled })
  expect(explanation.causes.map(causeText)).toEqual(['input out/version.h changed'])
})

test('a report that comes late has everything found anew', async () => {
  scene.build('one', [stamp('1'), compile('a', '1')])
  // The scheduler, which ran the first, is slower to tell than the cache, which was asked for both.
  scene.build('two', [stamp('2', { outcome: 'missed', keeps: 'action' }), compile('a', '2')])
  const { history, read } = counting()
  const settled = createSettled(history, manualClock(late))
  await explainSettled(history, await last(), settled)
  scene.build('two', [stamp('2', { lookup: null })])
  const explanation = await explainBuild(history, await last(), { settled })
  expect(read).toHaveLength(4)
  expect(explanation.causes.map((each) => `${each.actions} ${causeText(each)}`)).toEqual([
    '2 argument --stamp=1 became --stamp=2',
  ])
})

test.each([
  ['has just been seen', (seen: number) => ({ now: seen + 2_999, since: undefined })],
  ['was seen when others were that have not been read', (seen: number) => ({ now: late, since: seen + 2_999 })],
])('nothing is kept of an action that %s', async (_, at) => {
  scene.build('one', [compile('a', '1')])
  scene.build('two', [compile('a', '2')])
  const { now, since } = at((await last()).lastSeen)
  const { history, read } = counting({ ...scene.history, learningSince: () => since })
  const settled = createSettled(history, manualClock(now))
  await explainSettled(history, await last(), settled)
  expect(read).toHaveLength(0)
  await explainBuild(history, await last(), { settled })
  await explainBuild(history, await last(), { settled })
  expect(read).toHaveLength(2)
})

test('the actions of a build are explained while it goes on, before anybody asks', async () => {
  scene.build('one', [stamp('1'), compile('a', '1'), compile('b', '1')])
  scene.build('two', [stamp('2'), compile('a', '2'), compile('b', '2')])
  const seen = (await last()).lastSeen
  const clock = manualClock(seen + 500)
  const { history, read } = counting()
  const explanations = createExplanations(history, clock, scene.store)
  onTestFinished(() => explanations.close())
  const turns = async () => {
    for (let at = 0; at < 50; at += 1) await new Promise((resolve) => setImmediate(resolve))
  }
  // At 2.5 s it goes on, and its first action has settled: they are a second apart.
  clock.advance(1_000)
  await turns()
  clock.advance(1_000)
  await turns()
  expect(read).toHaveLength(2)
  const explanation = await explanations.of(await last())
  expect(read).toHaveLength(3)
  expect(explanation.causes).toMatchObject([{ actions: 3, kind: 'argument' }])
})
