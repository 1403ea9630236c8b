import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import type { BuildRecord, LocalHistory } from '../../src/core/build-history.ts'
import { explainBuild } from '../../src/explain/build.ts'
import { createExplanations } from '../../src/explain/explanations.ts'
import { causeText } from '../../src/explain/sentences.ts'
import { eventually } from '../fixture/eventually.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { createScene, type Scene, type Seen } from './scene.ts'

let scene: Scene
beforeEach(() => {
  scene = createScene()
})
afterEach(() => scene.dispose())

/** All that a scene builds was long ago. */
const late = Date.parse('2026-11-29T12:00:00Z')
const compile = (name: string, header: string): Seen => ({
  target: `//app:${name}`,
  makes: [`out/${name}.o`],
  inputs: { app: { 'version.h': header } },
})

async function buildOf(id: string): Promise<BuildRecord> {
  const [build] = await scene.history.builds({ limit: 1, idPrefix: id })
  if (!build) throw new Error('there is no build')
  return build
}

/** The explanations of a console that has just been started, and how many actions it looks at. */
function started(since?: number) {
  const state = { looked: 0 }
  const history: LocalHistory = {
    ...scene.history,
    learningSince: () => since,
    marks(query) {
      state.looked += 1
      return scene.history.marks(query)
    },
  }
  const clock = manualClock(late)
  const explanations = createExplanations(history, clock, scene.store)
  onTestFinished(() => explanations.close())
  return { ...explanations, state, clock }
}

test('an explanation that was made before the console was started is not made again, until more is heard', async () => {
  scene.build('one', [compile('a', '1')])
  scene.build('two', [compile('a', '2')])
  const made = await started().of(await buildOf('two'))
  expect(made.causes.map(causeText)).toEqual(['input app/version.h changed'])
  const next = started()
  expect(next.isFinal(await buildOf('two'))).toBe(true)
  expect(await next.of(await buildOf('two'))).toEqual(made)
  expect(next.state.looked).toBe(0)
  scene.build('two', [compile('b', '2')])
  expect((await next.of(await buildOf('two'))).causes).toHaveLength(2)
  expect(next.state.looked).toBe(1)
})

test('a comparison with one build is kept too, and follows from the explanation if that was with this build alone', async () => {
  scene.build('one', [compile('a', '1')])
  scene.build('two', [compile('a', '2')])
  scene.build('three', [compile('a', '3'), compile('new', '3')])
  const three = await buildOf('three')
  const first = started()
  await first.of(three)
  const { looked } = first.state
  const told = await first.of(three, { against: 'two' })
  expect(first.state.looked).toBe(looked)
  expect(told.causes).toEqual((await explainBuild(scene.history, three, { against: 'two' })).causes)
  expect(told.causes.map(causeText)).toContain('not part of build two')
  const other = await first.of(three, { against: 'one' })
  expect(other.causes[0]?.against?.build).toBe('one')
  const next = started()
  expect(await next.of(three, { against: 'one' })).toEqual(other)
  expect(next.state.looked).toBe(0)
})

test('what was found of a part of a build is kept beside that of the whole', async () => {
  scene.build('one', [compile('a', '1'), compile('b', '1')])
  scene.build('two', [compile('a', '2'), compile('b', '2')])
  const two = await buildOf('two')
  const first = started()
  const parts = [{ subject: { target: '//app:a' } }, { subject: { target: '//app:b' }, against: 'one' }]
  const made = [await first.of(two, parts[0]), await first.of(two, parts[1]), await first.of(two)]
  expect(made.map(({ actions }) => actions)).toEqual([1, 1, 2])
  const next = started()
  expect([await next.of(two, parts[0]), await next.of(two, parts[1]), await next.of(two)]).toEqual(made)
  expect(next.state.looked).toBe(0)
})

test('what may still change is not kept', async () => {
  scene.build('one', [compile('a', '1')])
  await started(late).of(await buildOf('one'))
  expect(started().isFinal(await buildOf('one'))).toBe(false)
})

test('builds that ended before the console was started are explained before anybody asks, one after the other', async () => {
  scene.build('one', [compile('a', '1')])
  scene.build('two', [compile('a', '2')])
  const { isFinal, clock, state } = started()
  const builds = [await buildOf('one'), await buildOf('two')]
  await eventually(
    async () => {
      clock.advance(1_000)
      return builds.every(isFinal)
    },
    (areFinal) => areFinal,
  )
  expect(state.looked).toBe(2)
})
