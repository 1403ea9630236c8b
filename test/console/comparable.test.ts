import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import type { EarlierAction } from '../../src/core/build-history.ts'
import { createScene, type Scene, type Seen } from '../explain/scene.ts'

let scene: Scene
beforeEach(() => {
  scene = createScene()
})
afterEach(() => scene.dispose())

const many = <T>(count: number, each: (at: number) => T) => Array.from({ length: count }, (_, at) => each(at))

const sortedRows = (actions: readonly EarlierAction[]) => actions.map(({ row }) => row).sort((a, b) => a - b)

async function rowsOf(build: string): Promise<number[]> {
  return (await scene.history.actions({ build, limit: 2_000 })).map(({ row }) => row)
}

/** How often the event loop went on to others before the work had ended. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0
  let next = setImmediate(function count() {
    turns += 1
    next = setImmediate(count)
  })
  onTestFinished(() => clearImmediate(next))
  await work()
  return turns
}

const unnamed: Partial<Seen> = { target: '', mnemonic: '' }
const clients: [string, (build: string, at: number) => Partial<Seen>][] = [
  ['names nothing', () => unnamed],
  ['names other targets than before', (build, at) => ({ target: `//${build}:${at}` })],
]

it.each(clients)(
  'no more than 16 actions with 200 contents each are looked up in a turn: the client %s',
  async (_, named) => {
    const seen = (build: string) => (at: number) => ({
      ...{ target: '', makes: ['a.o'], argv: ['cc', build, `${at}`] },
      ...named(build, at),
    })
    scene.build('one', many(200, seen('one')))
    scene.build('two', many(100, seen('two')))
    const rows = await rowsOf('two')
    const found = new Map<number, number>()
    const turns = await turnsDuring(async () => {
      for (const [row, { length }] of await scene.history.comparable(rows)) found.set(row, length)
    })
    // The 200 newest contents: the 100 of this build, and as many of the one before.
    expect(found).toEqual(new Map(rows.map((row) => [row, 100])))
    expect(turns).toBeGreaterThanOrEqual(Math.floor(100 / 16))
  },
)

it('a hundred actions of which little or nothing is known are looked up in one turn', async () => {
  const seen = (build: string) => (at: number) => ({
    ...{ target: '//a', makes: [`${at % 2 === 0 ? build : ''}${at}.o`], argv: ['cc', build, `${at}`] },
    ...(at % 4 > 1 && unnamed),
  })
  scene.build('one', many(100, seen('one')))
  scene.build('two', many(100, seen('two')))
  const rows = await rowsOf('two')
  const turns = await turnsDuring(async () => expect((await scene.history.comparable(rows)).size).toBe(50))
  expect(turns).toBe(0)
})

it('what an action is compared with is what `earlier` names: the latest of the same digest, or else all of the latest build that has any', async () => {
  const [targets, outputs] = [
    ['//a', '//b', ''],
    [['a.o'], ['b.o'], ['c.o', 'a.o'], ['a.o', 'b.o'], []],
  ]
  // Numbers without a common factor: every label meets every content, output and build.
  many(7, (build) =>
    scene.build(
      `${build}`,
      many(30, (at) => ({
        target: targets[(at + build) % targets.length] ?? '',
        makes: outputs[at % outputs.length] ?? [],
        argv: [`${(at * (build + 3)) % 11}`],
        ...(at % 13 === 0 && { keeps: 'action' }),
      })),
    ),
  )
  const actions = (
    await Promise.all(many(7, (build) => scene.history.actions({ build: `${build}`, limit: 100 })))
  ).flat()
  const expected = new Map<number, number[]>()
  for (const { row, digest } of actions) {
    const earlier = await scene.history.earlier(row, 1_000)
    const same = earlier.find((each) => each.digest.hash === digest.hash)
    const among = same ? [same] : earlier.filter(({ build }) => build === earlier[0]?.build)
    if (among.length > 0) expected.set(row, sortedRows(among))
  }
  const found = await scene.history.comparable(actions.map(({ row }) => row))
  expect(new Map([...found].map(([row, among]) => [row, sortedRows(among)]))).toEqual(expected)
  expect([...expected.values()].some(({ length }) => length > 1)).toBe(true)
})
