import { afterEach, beforeEach, expect, test } from 'vitest'
import { type CriticalPath, criticalPath } from '../../src/explain/critical-path.ts'
import type { Folder } from './actions.ts'
import { createScene, type Scene, type Seen } from './scene.ts'

let scene: Scene
beforeEach(() => {
  scene = createScene()
})
afterEach(() => scene.dispose())

/** An action that takes two seconds and begins one second after that which is named before it. */
const made = (name: string, inputs: Folder = {}, more: Partial<Seen> = {}): Seen => ({
  ...{ target: `//app:${name}`, makes: [`out/${name}`], argv: ['make', name], inputs },
  ...more,
})

async function pathOf(...actions: readonly Seen[]): Promise<CriticalPath> {
  scene.build('one', actions)
  return criticalPath(scene.history, await scene.history.actions({ build: 'one', limit: 1_000 }))
}

const told = ({ steps }: CriticalPath) => steps.map(({ action, waitedFor }) => `${action.target} ${waitedFor}`.trim())

test('each action is followed to the one that made its inputs last', async () => {
  const path = await pathOf(
    made('early'),
    made('gen'),
    made('aside'),
    made('lib', { out: { early: '1', gen: '2' }, toolchain: { cc: 'x' } }),
    made('app', { out: { lib: '3' } }),
  )
  expect(told(path)).toEqual(['//app:gen', '//app:lib out/gen', '//app:app out/lib'])
  expect(path.before).toBe('nothing')
  expect(path.steps.map(({ from, to }) => to - from)).toEqual([2_000, 2_000, 2_000])
})

test('a file in a folder that an action makes is made by that action, and what was cached takes no time', async () => {
  const path = await pathOf(
    made('tree', {}, { makes: ['out/tree'], outcome: 'hit' }),
    made('app', { out: { tree: { deep: { file: '1' } } } }),
  )
  expect(told(path)).toEqual(['//app:tree', '//app:app out/tree'])
  expect(path.steps.map(({ from, to }) => to - from)).toEqual([0, 2_000])
})

test('only the folders are read in which the build has made something', async () => {
  await pathOf(made('gen'), made('app', { out: { gen: '1' }, toolchain: { bin: { cc: 'x' } } }))
  const read = scene.shelf.asked
  expect(read.has(textOf({ out: { gen: '1' }, toolchain: { bin: { cc: 'x' } } }))).toBe(true)
  expect(read.has(textOf({ gen: '1' }))).toBe(true)
  expect(read.has(textOf({ bin: { cc: 'x' } }))).toBe(false)
})

function textOf(folder: Folder): string {
  const { hash, size } = scene.shelf.tree(folder)
  return `${hash}/${size}`
}

test('where an input tree is not to be had, what came before is unknown', async () => {
  const path = await pathOf(made('gen'), made('app', { out: { gen: '1' } }, { keeps: 'tree' }))
  expect(told(path)).toEqual(['//app:app'])
  expect(path.before).toBe('unknown')
})

test('what has not ended is on no path, and neither is anything of a build without actions', async () => {
  expect(told(await pathOf(made('gen'), made('app', { out: { gen: '1' } }, { outcome: 'missed' })))).toEqual([
    '//app:gen',
  ])
  expect(await criticalPath(scene.history, [])).toEqual({ steps: [], before: 'unknown' })
})

test('a path has 200 actions at most, the last ones', async () => {
  const chain = Array.from({ length: 210 }, (_, at) => made(`${at}`, at === 0 ? {} : { out: { [`${at - 1}`]: 'x' } }))
  const path = await pathOf(...chain)
  expect(path.steps.length).toBe(200)
  expect(path.steps.at(-1)?.action.target).toBe('//app:209')
  expect(path.before).toBe('more')
})
