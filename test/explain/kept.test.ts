import { afterEach, beforeEach, expect, test } from 'vitest'
import { keepExplanations } from '../../src/explain/kept.ts'
import { causeText } from '../../src/explain/sentences.ts'
import { createScene, type Scene, type Seen } from './scene.ts'

let scene: Scene
beforeEach(() => {
  scene = createScene()
})
afterEach(() => scene.dispose())

const compile = (name: string, header: string): Seen => ({
  target: `//app:${name}`,
  mnemonic: 'CppCompile',
  makes: [`out/${name}.o`],
  inputs: { app: { [`${name}.cc`]: name }, base: { 'version.h': header } },
})

async function last() {
  const [build] = await scene.history.builds({ limit: 1 })
  if (!build) throw new Error('there is no build')
  return build
}

test('an answer is kept until more is known, for each question by itself', async () => {
  const explain = keepExplanations(scene.history)
  scene.build('one', [compile('a', '1'), compile('b', '1')])
  scene.build('two', [compile('a', '2'), compile('b', '2')])
  const build = await last()
  const first = await explain(build, {})
  expect(await explain(build, {})).toBe(first)
  expect(await explain(build, { subject: { target: '//app:a' } })).toMatchObject({ actions: 1 })
  expect(await explain(build, { against: 'none' })).toMatchObject({ causes: [{ kind: 'never-seen' }] })
  expect(await explain(build, {})).toBe(first)

  scene.build('two', [compile('c', '2')])
  const later = await explain(await last(), {})
  expect(later.causes.map((each) => `${each.actions} ${causeText(each)}`)).toEqual([
    '2 input base/version.h changed',
    '1 never seen before',
  ])
})

test('folders that actions share are read once, and those of several actions together', async () => {
  const names = Array.from({ length: 40 }, (_, at) => `file${at}`)
  const times = ['1', '2']
  for (const header of times)
    scene.build(
      header,
      names.map((name) => compile(name, header)),
    )
  const asked: number[] = []
  const history = {
    ...scene.history,
    blobs: async (digests: Parameters<typeof scene.history.blobs>[0]) => {
      asked.push(digests.length)
      return scene.history.blobs(digests)
    },
  }
  await keepExplanations(history)(await last(), {})
  // Of each of the first 16 and time: itself and the root; the shared folder of each time once. These tell what the others
  // have become, of which the earlier root is read alone. No two read the same.
  expect(asked.reduce((sum, each) => sum + each, 0)).toBe(2 * (2 * 16 + 1) + names.length - 16)
  expect(asked.length).toBeLessThan(names.length / 2)
})
