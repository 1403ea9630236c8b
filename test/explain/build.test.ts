import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { LocalHistory } from '../../src/core/build-history.ts'
import { type Explanation, explainBuild } from '../../src/explain/build.ts'
import { findBuild, findEarlier, findSubject } from '../../src/explain/find.ts'
import { causeText, chainText, summaryText } from '../../src/explain/sentences.ts'
import type { Folder } from './actions.ts'
import { createScene, type Scene, type Seen } from './scene.ts'

let scene: Scene
beforeEach(() => {
  scene = createScene()
})
afterEach(() => scene.dispose())

async function explained(what?: string, against?: string): Promise<Explanation> {
  const { build, subject } = await findSubject(scene.history, what)
  return explainBuild(scene.history, build, { subject, ...(against !== undefined && { against }) })
}

const told = ({ causes }: Explanation) => causes.map((each) => `${each.actions} ${causeText(each)}`)

const compile = (name: string, header: string, more: Partial<Seen> = {}): Seen => ({
  target: `//app:${name}`,
  mnemonic: 'CppCompile',
  makes: [`out/${name}.o`],
  argv: ['cc', '-O2', '-c', `app/${name}.cc`, '-o', `out/${name}.o`],
  env: { PATH: '/bin' },
  inputs: { app: { [`${name}.cc`]: name }, base: { 'version.h': header } },
  ...more,
})

describe('what changed', () => {
  test('a thousand misses that one changed header causes are one answer', async () => {
    const names = Array.from({ length: 1_000 }, (_, at) => `file${at}`)
    scene.build(
      'one',
      names.map((name) => compile(name, '1')),
    )
    scene.build('two', [...names.map((name) => compile(name, '2')), compile('same', '1', { outcome: 'hit' })])
    const explanation = await explained()
    expect(told(explanation)).toEqual(['1000 input base/version.h changed'])
    expect(explanation.causes[0]).toMatchObject({
      seconds: 2_000,
      notAlone: 0,
      direct: 1_000,
      chain: [],
      against: { build: 'one' },
    })
    expect(summaryText(explanation)).toBe(
      '1,001 actions in 17 min: 1 cached (0.1 %), 1,000 not cached. One cause explains all 1,000: input base/version.h changed.',
    )
  })

  test('a changed input is followed to what made it, and on to what that met', async () => {
    const stamp = (value: string): Seen => ({
      target: '//base:gen_version',
      makes: ['out/version.h'],
      argv: ['gen', `--stamp=${value}`],
    })
    const lib = (header: string): Seen => ({
      ...{ target: '//app:lib', mnemonic: 'CppCompile', makes: ['out/lib.o'] },
      inputs: { out: { 'version.h': header }, 'lib.cc': 'x' },
    })
    const link = (object: string): Seen => ({
      ...{ target: '//app', mnemonic: 'CppLink', makes: ['out/app'] },
      inputs: { out: { 'lib.o': object } },
    })
    scene.build('one', [stamp('17'), lib('17'), link('lib 17')])
    scene.build('two', [stamp('18'), lib('18'), link('lib 18')])
    const explanation = await explained()
    expect(told(explanation)).toEqual(['3 argument --stamp=17 became --stamp=18'])
    const app = await explained('out/app')
    expect(app.causes[0]?.chain.map(({ target, path }) => `${target} > ${path}`)).toEqual([
      '//base:gen_version > out/version.h',
      '//app:lib > out/lib.o',
    ])
    expect(app.causes.map(chainText)).toEqual([
      'It came by way of out/version.h, which //base:gen_version Genrule makes; out/lib.o, which //app:lib CppCompile makes.',
    ])
  })

  test('where a chain names one of many readers, the others are counted', async () => {
    const names = ['a', 'b', 'c']
    const link = (object: string): Seen => ({
      ...{ target: '//app', mnemonic: 'CppLink', makes: ['out/app'] },
      inputs: { out: { 'b.o': object } },
    })
    scene.build('one', [...names.map((name) => compile(name, '1')), link('1')])
    scene.build('two', [...names.map((name) => compile(name, '2')), link('2')])
    const { causes, ...rest } = await explained()
    expect(causes).toMatchObject([{ kind: 'input', actions: 4, direct: 3 }])
    expect(causes.map(chainText)).toEqual([
      'It came by way of out/b.o, which //app:b CppCompile makes. 2 more actions read base/version.h.',
    ])
    expect(summaryText({ causes, ...rest })).toContain(
      'One cause explains all 4: input base/version.h changed (read by //app:b CppCompile and 2 more actions).',
    )
  })

  test('where a chain begins with one of many that have the same new argument, the others are counted', async () => {
    const optimized = (name: string, level: string) =>
      compile(name, '1', { argv: ['cc', level, '-c', `app/${name}.cc`, '-o', `out/${name}.o`] })
    const link = (object: string): Seen => ({
      ...{ target: '//app', mnemonic: 'CppLink', makes: ['out/app'] },
      inputs: { out: { 'a.o': object } },
    })
    scene.build('one', [optimized('a', '-O2'), optimized('b', '-O2'), link('1')])
    scene.build('two', [optimized('a', '-O3'), optimized('b', '-O3'), link('2')])
    const { causes } = await explained()
    expect(causes).toMatchObject([{ kind: 'argument', actions: 3, direct: 2 }])
    expect(causes.map(chainText)).toEqual([
      'It came by way of out/a.o, which //app:a CppCompile makes. The same is true of 1 more action.',
    ])
  })

  test('of many actions that differ alike each one is told what it is told alone', async () => {
    const gen = (name: string, argv: readonly string[]): Seen => ({
      target: `//gen:${name}`,
      makes: [`out/${name}.h`],
      argv,
    })
    const lib = (at: number, build: string): Seen => ({
      ...{ target: `//app:lib${at}`, mnemonic: 'CppCompile', makes: [`out/lib${at}.o`] },
      inputs: {
        app: { [`lib${at}.cc`]: `${at}` },
        ...(at % 4 !== 1 && at % 4 !== 3 && { out: { 'version.h': build } }),
        ...((at % 4 === 1 || at % 4 === 2) && { base: { 'version.h': build } }),
        ...(at % 4 === 3 && { out: { 'time.h': build } }),
      },
    })
    const libs = Array.from({ length: 160 }, (_, at) => at)
    for (const build of ['one', 'two'])
      scene.build(build, [
        gen('version', ['gen', `--stamp=${build}`]),
        gen('time', ['date']),
        ...libs.map((at) => lib(at, build)),
      ])
    const whole = await explained()
    expect(told(whole)).toEqual([
      '81 argument --stamp=one became --stamp=two',
      '40 input base/version.h changed',
      '40 input out/time.h changed, although the same action made it as before',
      '1 it ran before, but its result is no longer in the cache',
    ])
    const alone = await Promise.all(libs.map((at) => explained(`out/lib${at}.o`)))
    for (const { causes } of alone) {
      const [first] = causes
      const same = whole.causes.find((each) => first && causeText(each) === causeText(first))
      expect(same?.chain).toEqual(first?.chain)
    }
  })

  test('what made the input may itself have been cached', async () => {
    const gen = (flag: string, outcome: 'hit' | 'executed'): Seen => ({
      ...{ target: '//base:gen', makes: ['out/gen.h'], argv: ['gen', flag], outcome },
    })
    const lib = (header: string): Seen => ({
      target: '//app:lib',
      makes: ['out/lib.o'],
      inputs: { out: { 'gen.h': header } },
    })
    scene.build('other', [gen('-b', 'executed')])
    scene.build('one', [gen('-a', 'executed'), lib('a')])
    scene.build('two', [gen('-b', 'hit'), lib('b')])
    expect(told(await explained())).toEqual(['1 argument -a became -b'])
  })

  test('an input that the same action made anew, and otherwise, names that action', async () => {
    const gen: Seen = { target: '//base:now', makes: ['out/now.h'], doNotCache: true }
    const lib = (header: string): Seen => ({
      target: '//app:lib',
      makes: ['out/lib.o'],
      inputs: { out: { 'now.h': header } },
    })
    scene.build('one', [gen, lib('12:00')])
    scene.build('two', [gen, lib('12:01')])
    const explanation = await explained('//app:lib')
    expect(told(explanation)).toEqual(['1 input out/now.h changed, although the same action made it as before'])
    expect(explanation.causes[0]?.chain[0]?.target).toBe('//base:now')
    expect(explanation.causes[0]?.direct).toBe(1)
  })

  test('a history that goes round in circles has an answer', async () => {
    const each = (value: string): Seen[] => [
      { target: '//x:a', makes: ['out/a'], inputs: { out: { b: value } } },
      { target: '//x:b', makes: ['out/b'], inputs: { out: { a: value } } },
    ]
    scene.build('one', each('1'))
    scene.build('two', each('2'))
    expect(told(await explained())).toEqual(['2 input out/b changed'])
  })

  const changes: [string, Partial<Seen>, string][] = [
    ['a flag', { argv: ['cc', '-O3', '-c', 'app/a.cc', '-o', 'out/a.o'] }, 'argument -O2 became -O3'],
    ['a new flag', { argv: ['cc', '-O2', '-g', '-c', 'app/a.cc', '-o', 'out/a.o'] }, 'argument -g is new'],
    ['PATH of another shell', { env: { PATH: '/home/me/bin:/bin' } }, 'variable PATH differs'],
    ['a new variable', { env: { PATH: '/bin', LANG: 'C' } }, 'variable LANG is new'],
    ['the platform', { properties: { OSFamily: 'linux' } }, 'platform property OSFamily is new'],
    [
      'an executable bit',
      { inputs: { app: { 'a.cc': { run: 'a' } }, base: { 'version.h': '1' } } },
      'input app/a.cc changed',
    ],
    [
      'a new input',
      { inputs: { app: { 'a.cc': 'a', 'b.h': '' }, base: { 'version.h': '1' } } },
      'input app/b.h is new',
    ],
  ]
  test.each(changes)('%s', async (_, change, answer) => {
    scene.build('one', [compile('a', '1')])
    scene.build('two', [compile('a', '1', change)])
    expect(told(await explained())).toEqual([`1 ${answer}`])
  })

  test('arguments that come in a file are told as arguments', async () => {
    const link = (...args: string[]): Seen => {
      const params = `${args.join('\n')}\n`
      scene.shelf.put(Buffer.from(params))
      const inputs: Folder = { out: { 'app-2.params': params } }
      return { target: '//app', mnemonic: 'CppLink', makes: ['out/app'], argv: ['cc', '@out/app-2.params'], inputs }
    }
    scene.build('one', [link('-o', 'out/app', 'a.o')])
    scene.build('two', [link('-o', 'out/app', '-static', 'a.o')])
    expect(told(await explained())).toEqual(['1 argument -static is new'])
  })

  test('two long arguments are told by where they differ', () => {
    const [one, other] = ['-O2', '-O3'].map(
      (flag) => `source ${'setup/'.repeat(20)}x.sh; cc ${flag} ${'in.c '.repeat(20)}`,
    )
    const text = causeText({ kind: 'argument', subject: '', one: one ?? null, other: other ?? null })
    expect(text).toBe(
      'argument …up/setup/x.sh; cc -O2 in.c in.c in.c in.… became …up/setup/x.sh; cc -O3 in.c in.c in.c in.…',
    )
  })

  test('a part of a build is told to be one', async () => {
    scene.build('one', [compile('a', '1'), compile('b', '1'), compile('c', '1')])
    const explanation = await explained('//app:b')
    expect(summaryText(explanation, { isPart: true })).toBe(
      '1 of the 3 actions of this build: 0 cached (0 %), 1 not cached.',
    )
  })

  test('of several causes of one action, the one that explains most is told, and that it is not alone', async () => {
    const flag = { argv: ['cc', '-O3', '-c', 'app/b.cc', '-o', 'out/b.o'] }
    scene.build(
      'one',
      ['a', 'b', 'c'].map((name) => compile(name, '1')),
    )
    scene.build('two', [compile('a', '2'), compile('b', '2', flag), compile('c', '2')])
    const { causes } = await explained()
    expect(causes).toHaveLength(1)
    expect(causes[0]).toMatchObject({ kind: 'input', actions: 3, notAlone: 1 })
  })

  test('with --against, another build is compared with', async () => {
    scene.build('one', [compile('a', '1')])
    scene.build('two', [compile('a', '2')])
    scene.build('three', [compile('a', '3', { env: { PATH: '/opt' } })])
    const { id } = await findBuild(scene.history, 'on')
    const [cause] = (await explained(undefined, id)).causes
    expect(cause?.against?.build).toBe('one')
    scene.build('four', [compile('b', '1')])
    expect(told(await explained(undefined, id))).toEqual(['1 not part of build one'])
  })
})

test('others have their turn between two pages of a build, and who has left ends the reading', async () => {
  const names = Array.from({ length: 2_001 }, (_, at) => `file${at}`)
  scene.build(
    'one',
    names.map((name) => ({ target: `//app:${name}`, makes: [name], outcome: 'hit', keeps: 'action' })),
  )
  const [build] = await scene.history.builds({ limit: 1 })
  if (!build) throw new Error('there is no build')
  let turn = 0
  let next = setImmediate(function count() {
    turn += 1
    next = setImmediate(count)
  })
  onTestFinished(() => clearImmediate(next))
  const turns: number[] = []
  const leaving = new AbortController()
  const history: LocalHistory = {
    ...scene.history,
    marks(query) {
      turns.push(turn)
      return scene.history.marks(query)
    },
  }
  expect(await explainBuild(history, build)).toMatchObject({ actions: 2_001, hits: 2_001, cut: 0 })
  expect(turns).toHaveLength(2)
  expect(new Set(turns).size).toBe(2)

  leaving.abort(new Error('left'))
  await expect(explainBuild(history, build, { signal: leaving.signal })).rejects.toThrow('left')
  expect(turns.length).toBeLessThan(4)
})

test('no more than 16 actions are read and compared at once', async () => {
  const names = Array.from({ length: 100 }, (_, at) => `file${at}`)
  const flag = (name: string) => ({ argv: ['cc', name, '-g'] })
  scene.build(
    'one',
    names.map((name) => compile(name, '1')),
  )
  scene.build(
    'two',
    names.map((name) => compile(name, '2', flag(name))),
  )
  const [build] = await scene.history.builds({ limit: 1 })
  if (!build) throw new Error('there is no build')
  const asked: number[] = []
  const history: LocalHistory = {
    ...scene.history,
    blobs(digests) {
      asked.push(digests.length)
      return scene.history.blobs(digests)
    },
  }
  expect(await explainBuild(history, build)).toMatchObject({ actions: 100, hits: 0 })
  // What 16 ask for in one turn is asked for together: two Actions each, or two Commands.
  expect(Math.max(...asked)).toBe(2 * 16)
})

describe('nothing changed, or nothing is known', () => {
  const again = (first: Partial<Seen>, second: Partial<Seen>) => async () => {
    scene.build('one', [compile('a', '1', first)])
    scene.build('two', [compile('a', '1', second)])
    return told(await explained())
  }
  const cases: [string, Partial<Seen>, Partial<Seen>, string][] = [
    ['evicted', {}, { lookup: { answer: 'evicted', evictedMs: 60_000 } }, 'the result was evicted'],
    ['incomplete', {}, { lookup: { answer: 'incomplete' } }, 'the result was there, but one of its outputs was not'],
    ['gone', {}, {}, 'it ran before, but its result is no longer in the cache'],
    ['failed before', { outcome: 'failed' }, {}, 'it failed before, and results of failed actions are not cached'],
    [
      'failed before, without outputs',
      { makes: [], outcome: 'failed' },
      { makes: [], outcome: 'failed' },
      'it failed before, and results of failed actions are not cached',
    ],
    ['gone, without outputs', { makes: [] }, { makes: [] }, 'it ran before, but its result is no longer in the cache'],
    ['another, without outputs', { makes: [] }, { makes: [], env: { NEW: '1' } }, 'never seen before'],
    [
      'not cacheable',
      { doNotCache: true },
      { doNotCache: true },
      'the client says that the result is not to be cached (do_not_cache)',
    ],
    ['not asked', {}, { lookup: null, skipCacheLookup: true }, 'the cache was not asked'],
    ['no rights', {}, { lookup: { answer: 'unauthorized' } }, 'the client may not read from the cache'],
    [
      'no action',
      {},
      { outcome: 'missed', keeps: 'action', env: { NEW: '1' } },
      'not known: the action itself was not uploaded, only its digest is known',
    ],
    [
      'no tree',
      { keeps: 'tree' },
      { keeps: 'tree', inputs: { 'x.h': '' } },
      'inputs changed; which ones is not known, because the input trees are not in the cache',
    ],
  ]
  test.each(cases)('%s', async (_, first, second, answer) => {
    expect(await again(first, second)()).toEqual([`1 ${answer}`])
  })

  test('never seen', async () => {
    scene.build('one', [compile('a', '1')])
    expect(told(await explained())).toEqual(['1 never seen before'])
  })

  test('another digest function', async () => {
    expect(await again({}, { fn: 'blake3' })()).toEqual(['1 it was named by sha256 before, and now by blake3'])
  })

  test('another instance', async () => {
    scene.build('one', [compile('a', '1')], 'main')
    scene.build('two', [compile('a', '1')], 'other')
    expect(told(await explained())).toEqual(['1 it ran before for instance "main", and now for "other"'])
  })

  test('another instance is no reason for what failed', async () => {
    scene.build('one', [compile('a', '1', { outcome: 'failed' })], 'main')
    scene.build('two', [compile('a', '1')], 'other')
    expect(told(await explained())).toEqual(['1 it failed before, and results of failed actions are not cached'])
  })

  test('a build that was cached altogether has no causes', async () => {
    scene.build('one', [compile('a', '1')])
    scene.build('two', [compile('a', '1', { outcome: 'hit' })])
    const explanation = await explained()
    expect(explanation).toMatchObject({ actions: 1, hits: 1, causes: [] })
    expect(summaryText(explanation)).toBe('1 action in 0 ms: 1 cached (100 %), 0 not cached.')
  })
})

describe('what is meant by a word', () => {
  beforeEach(() => {
    scene.build('aaaa-1', [compile('a', '1'), compile('b', '1')])
    scene.build('aaaa-2', [compile('a', '2')])
  })

  test('nothing is the last build; an id may be cut short', async () => {
    expect((await explained()).build.id).toBe('aaaa-2')
    expect((await explained('aaaa-1')).actions).toBe(2)
    await expect(explained('aaaa')).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('aaaa-1'),
    })
  })

  test('a target, an action and an output are those of the last build that had them', async () => {
    expect(await explained('//app:b')).toMatchObject({ build: { id: 'aaaa-1' }, actions: 1 })
    expect(await explained('@@//app:a')).toMatchObject({ build: { id: 'aaaa-2' }, actions: 1 })
    expect(await explained('out/b.o')).toMatchObject({ build: { id: 'aaaa-1' }, actions: 1 })
    const [digest = ''] = scene.build('three', [compile('a', '3')])
    expect(await explained(digest.slice(0, 8))).toMatchObject({ build: { id: 'three' }, actions: 1 })
    expect(await explained(digest)).toMatchObject({ build: { id: 'three' }, actions: 1 })
  })

  test('a build is compared with one that was before it, and with no other', async () => {
    scene.build('bbbb-3', [compile('a', '3')])
    const [three, one] = [await findBuild(scene.history, 'bbbb'), await findBuild(scene.history, 'aaaa-1')]
    expect(await findEarlier(scene.history, 'aaaa-1', three)).toBe('aaaa-1')
    await expect(findEarlier(scene.history, 'bbbb', one)).rejects.toMatchObject({
      kind: 'invalid',
      message: 'build bbbb-3 came after build aaaa-1',
    })
    await expect(findEarlier(scene.history, 'aaaa-1', one)).rejects.toMatchObject({ kind: 'invalid' })
  })

  test('what is not there is told', async () => {
    for (const what of ['//app:none', 'nothing/of.this', 'ffffffff'])
      await expect(explained(what)).rejects.toMatchObject({ kind: 'not-found' })
  })
})
