import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { explainMethod } from '../../src/console/explain-service.ts'
import type { LocalHistory } from '../../src/core/build-history.ts'
import { consoleApi } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'
import { eventually } from '../fixture/eventually.ts'
import { testFolder } from '../fixture/folder.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { absent, actionBlobs, callerOf, hit, openTestConsole, ran } from './fixture.ts'

async function open() {
  const town = openTestConsole({ folder: await testFolder() })
  onTestFinished(() => town.close())
  return town
}

describe('a build', () => {
  it('has its client, its times, its bytes, and each action counted once', async () => {
    const { clock, recorder, history, settled } = await open()
    const caller = callerOf({ invocation: 'first', target: '//a', mnemonic: 'CppCompile' })
    const [one, two, three] = ['one', 'two', 'three'].map((each) => blobOf(each).digest)
    if (!one || !two || !three) throw new Error('there are three')
    recorder.lookup(caller, one, absent)
    recorder.lookup(caller, two, hit)
    recorder.lookup(caller, three, absent)
    recorder.traffic(caller.metadata, 100, 7)
    clock.advance(200)
    recorder.execution(caller, one, ran())
    recorder.traffic(caller.metadata, 1, 0, 50)
    await settled()
    expect(await history.builds({ limit: 10 })).toEqual([
      {
        id: 'first',
        correlatedId: '',
        tool: 'bazel',
        toolVersion: '7.7.1',
        instance: '',
        firstSeen: 1_800_000_000_000,
        lastSeen: 1_800_000_000_200,
        actions: 3,
        hits: 1,
        executed: 1,
        local: 0,
        failed: 0,
        missed: 1,
        bytesReceived: 101,
        bytesSent: 7,
        bytesSaved: 50,
        dropped: 0,
      },
    ])
  })

  it('is found by the beginning of its id, and the newest comes first', async () => {
    const { clock, recorder, history, settled } = await open()
    for (const invocation of ['aa-1', 'ab-2', 'b_-3']) {
      recorder.lookup(callerOf({ invocation }), blobOf('one').digest, hit)
      clock.advance(10)
    }
    await settled()
    const ids = async (idPrefix?: string, limit = 10) =>
      (await history.builds({ limit, ...(idPrefix !== undefined && { idPrefix }) })).map(({ id }) => id)
    expect(await ids()).toEqual(['b_-3', 'ab-2', 'aa-1'])
    expect(await ids('a')).toEqual(['ab-2', 'aa-1'])
    expect(await ids('b_')).toEqual(['b_-3'])
    expect(await ids('%')).toEqual([])
    expect(await ids(undefined, 1)).toEqual(['b_-3'])
    recorder.lookup(callerOf({ invocation: 'a' }), blobOf('one').digest, hit)
    clock.advance(10)
    recorder.lookup(callerOf({ invocation: 'ab-3' }), blobOf('one').digest, hit)
    await settled()
    // What is called so itself is meant, however many are newer.
    expect(await ids('a', 2)).toEqual(['a', 'ab-3'])
    expect(await ids('a')).toEqual(['a', 'ab-3', 'ab-2', 'aa-1'])
    expect(await ids('a\u{10fffe}')).toEqual([])
  })

  it('of a client without an invocation ends when it pauses for a minute', async () => {
    const { clock, recorder, history, settled } = await open()
    const caller = callerOf({ tool: 'recc' })
    for (const ms of [0, 59_000, 59_000, 61_000]) {
      clock.advance(ms)
      recorder.lookup(caller, blobOf(`${ms}`).digest, hit)
      await settled()
    }
    const builds = await history.builds({ limit: 10 })
    expect(builds.map(({ actions }) => actions)).toEqual([1, 2])
    for (const { id, tool } of builds) expect([id, tool]).toEqual([expect.stringMatching(/^unnamed-/), 'recc'])
  })
})

describe('an action’s outcome', () => {
  const action = blobOf('action').digest
  const caller = callerOf({ invocation: 'build' })

  it.each([
    ['a miss, then a run', ['lookup', 'run'], 'executed'],
    ['a run whose lookup is heard later', ['run', 'lookup'], 'executed'],
    ['a miss, then a result of another client', ['lookup', 'cached'], 'hit'],
    ['a miss, then an upload', ['lookup', 'update'], 'local'],
    ['a failure', ['lookup', 'fail'], 'failed'],
    ['a failure that is tried again', ['fail', 'run'], 'executed'],
    ['a run that is found afterwards', ['run', 'hit'], 'executed'],
    ['a miss alone', ['lookup'], 'missed'],
    ['one that was cancelled', ['lookup', 'cancel'], 'missed'],
  ])('of %s', async (_, seen, outcome) => {
    const { recorder, history, settled } = await open()
    const ways: Readonly<Record<string, () => void>> = {
      lookup: () => recorder.lookup(caller, action, absent),
      hit: () => recorder.lookup(caller, action, hit),
      run: () => recorder.execution(caller, action, ran()),
      cached: () => recorder.execution(caller, action, ran({ cached: true })),
      fail: () => recorder.execution(caller, action, ran({ exitCode: 1 })),
      cancel: () => recorder.execution(caller, action, ran({ status: 1, message: 'cancelled' })),
      update: () => recorder.update(caller, action, { exitCode: 0 }),
    }
    for (const each of seen) ways[each]?.()
    await settled()
    const [build] = await history.builds({ limit: 1 })
    const [only, ...others] = await history.actions({ build: 'build', limit: 10 })
    expect(only?.outcome).toBe(outcome)
    expect(others).toEqual([])
    expect(build?.actions).toBe(1)
  })

  it('comes with why there was no result, and with times and worker of its run', async () => {
    const { recorder, history, settled } = await open()
    const blob = blobOf('gone').digest
    recorder.lookup(caller, action, { answer: 'incomplete', missing: blob, evictedMs: 5_000 })
    recorder.lookup(caller, action, absent)
    recorder.execution(caller, action, ran({ merged: true, skipCacheLookup: true, doNotCache: true }))
    await settled()
    expect(await history.actions({ build: 'build', limit: 10 })).toMatchObject([
      {
        digest: action,
        lookup: { answer: 'incomplete', missing: { hash: blob.hash, size: blob.size }, evictedMs: 5_000 },
        worker: 'worker-1',
        attempts: 1,
        merged: true,
        skipCacheLookup: true,
        doNotCache: true,
        times: { queued: 1_800_000_000_005 },
      },
    ])
  })
})

describe('actions of a build', () => {
  it('are told a page at a time, and by outcome, target, mnemonic and digest', async () => {
    const { recorder, history, settled } = await open()
    for (let at = 0; at < 5; at += 1) {
      const caller = callerOf({ invocation: 'build', target: `//t:${at}`, mnemonic: at % 2 ? 'Odd' : 'Even' })
      recorder.lookup(caller, blobOf(`${at}`).digest, at === 0 ? absent : hit)
    }
    await settled()
    const targets = async (part: object) =>
      (await history.actions({ build: 'build', limit: 10, ...part })).map(({ target }) => target)
    const [first, second] = await history.actions({ build: 'build', limit: 2 })
    expect([first?.target, second?.target]).toEqual(['//t:0', '//t:1'])
    expect(await targets({ after: second?.row })).toEqual(['//t:2', '//t:3', '//t:4'])
    expect(await targets({ outcomes: ['missed'] })).toEqual(['//t:0'])
    expect(await targets({ target: '//t:3' })).toEqual(['//t:3'])
    expect(await targets({ mnemonic: 'Odd' })).toEqual(['//t:1', '//t:3'])
    expect(await targets({ hashPrefix: blobOf('4').digest.hash.slice(0, 10) })).toEqual(['//t:4'])
    expect(await history.actions({ build: 'no such build', limit: 10 })).toEqual([])
  })
})

describe('what Actions and Commands say', () => {
  it('is read from the cache, and their bytes outlast it', async () => {
    const { action, blobs, recorder, history, settled } = await open()
    const parts = { argument: 'x', outputs: ['b/o', 'a/o'], workingDirectory: 'wd', input: 'i'.repeat(1_000) }
    const made = actionBlobs(parts)
    const digest = await action(parts)
    recorder.execution(callerOf({ invocation: 'build' }), digest, ran())
    await settled()
    const [record] = await history.actions({ build: 'build', limit: 1 })
    expect(record).toMatchObject({ firstOutput: 'wd/a/o', command: made[1].digest, inputRoot: made[2].digest })
    await Promise.all(made.map((blob) => blobs.delete(blob.digest)))
    for (const blob of made.slice(0, 4))
      expect(Buffer.from((await history.blob(blob.digest)) ?? '')).toEqual(Buffer.from(blob.bytes))
    // The contents of files are not kept.
    expect(await history.blob(made[4].digest)).toBeUndefined()
  })

  it('is not known of an action whose blobs were never there, and is when they come', async () => {
    const { action, recorder, history, settled } = await open()
    const parts = { argument: 'late' }
    const { digest } = actionBlobs(parts)[0]
    recorder.execution(callerOf({ invocation: 'one' }), digest, ran())
    await settled()
    expect((await history.actions({ build: 'one', limit: 1 }))[0]).toMatchObject({ firstOutput: '' })
    await action(parts)
    recorder.lookup(callerOf({ invocation: 'two' }), digest, hit)
    await settled()
    expect((await history.actions({ build: 'one', limit: 1 }))[0]).toMatchObject({ firstOutput: 'out' })
  })

  it('does no harm where the bytes are not an Action', async () => {
    const { cas: channel, recorder, history, settled } = await open()
    const { createCasClient } = await import('../../src/client/cas.ts')
    const rubbish = blobOf(new Uint8Array(50).fill(0xff))
    await createCasClient(channel).upload([{ digest: rubbish.digest, content: rubbish.bytes }])
    recorder.execution(callerOf({ invocation: 'one' }), rubbish.digest, ran())
    await settled()
    expect((await history.actions({ build: 'one', limit: 1 }))[0]?.command).toBeUndefined()
  })
})

it('explains a build that has ended out of what was made before anybody asked', async () => {
  const { action, recorder, console, clock, settled } = await open()
  const { history, explanations } = console
  const seen = async (argument: string) =>
    recorder.execution(callerOf({ invocation: 'one', target: '//a' }), await action({ argument }), ran())
  let reads = 0
  const counted: LocalHistory = {
    ...history,
    marks(query) {
      reads += 1
      return history.marks(query)
    },
  }
  const service = { name: 'native.console.v1.History', methods: { Explain: explainMethod(counted, explanations) } }
  const channel = memoryChannel([service])
  onTestFinished(() => channel.close())
  const explained = async () => {
    const request = consoleApi.ExplainRequest.encode({ build: 'one' }).finish()
    const { actions, build } = consoleApi.ExplainResponse.decode(
      await channel.unary('native.console.v1.History/Explain', request),
    )
    return [actions, build?.id]
  }
  await seen('1')
  await settled()
  clock.advance(3_000)
  await eventually(
    async () => {
      clock.advance(1_000)
      const [build] = await history.builds({ limit: 1 })
      return build !== undefined && explanations.isFinal(build)
    },
    (isFinal) => isFinal,
  )
  expect(await explained()).toEqual([1, 'one'])
  expect(reads).toBe(0)
  await seen('2')
  await settled()
  expect(await explained()).toEqual([2, 'one'])
  expect(reads).toBe(1)
})

describe('an earlier action to compare with', () => {
  it('is the latest of the same target, mnemonic, configuration and first output in another build', async () => {
    const { action, recorder, history, settled } = await open()
    const said = { target: '//a', mnemonic: 'CppCompile', configuration: 'k8' }
    const seen = async (invocation: string, argument: string, part: object = {}, outputs = ['a.o']) => {
      recorder.execution(callerOf({ invocation, ...said, ...part }), await action({ argument, outputs }), ran())
      await settled()
    }
    await seen('one', '1')
    await seen('two', '2')
    await seen('two', 'other output', {}, ['b.o'])
    await seen('three', 'other configuration', { configuration: 'arm' })
    await seen('four', '4')
    const [last] = await history.actions({ build: 'four', limit: 1 })
    expect((await history.earlier(last?.row ?? 0, 10)).map(({ build }) => build)).toEqual(['two', 'one'])
    expect((await history.earlier(last?.row ?? 0, 1)).map(({ build }) => build)).toEqual(['two'])
  })

  it('is the latest of the same output where the client names no target', async () => {
    const { action, recorder, history, settled } = await open()
    for (const invocation of ['one', 'two', 'three']) {
      recorder.execution(callerOf({ invocation }), await action({ argument: invocation, outputs: ['a.o'] }), ran())
      await settled()
    }
    const [last] = await history.actions({ build: 'three', limit: 1 })
    expect((await history.earlier(last?.row ?? 0, 10)).map(({ build }) => build)).toEqual(['two', 'one'])
  })

  it('is for a comparison the latest of the same digest, or else of the latest build, of many', async () => {
    const { action, recorder, console, settled } = await open()
    const said = { target: '//a', mnemonic: 'CppCompile', configuration: 'k8' }
    const seen = async (invocation: string, argument: string) => {
      recorder.execution(callerOf({ invocation, ...said }), await action({ argument, outputs: ['a.o'] }), ran())
      await settled()
    }
    await seen('first', 'old')
    for (let at = 0; at < 30; at += 1) await seen(`hit ${at}`, 'usual')
    await seen('last', 'changed')
    await seen('back', 'old')
    const { history } = console
    const comparable = async (build: string, against?: string) => {
      const [row] = (await history.actions({ build, limit: 1 })).map((each) => each.row)
      return ((await history.comparable([row ?? 0], against)).get(row ?? 0) ?? []).map((each) => each.build)
    }
    expect(await comparable('last')).toEqual(['hit 29'])
    expect(await comparable('back')).toEqual(['first'])
    expect(await comparable('back', 'last')).toEqual(['last'])
    expect(await comparable('back', 'hit 3')).toEqual(['hit 3'])
    expect(await comparable('back', 'no such build')).toEqual([])
    expect(await comparable('first')).toEqual([])
  })

  it('is found for many at once as for each, whatever their clients say of them', async () => {
    const { action, recorder, console, settled } = await open()
    const said = { target: '//a', mnemonic: 'CppCompile', configuration: 'k8' }
    const seen = async (invocation: string, argument: string, part: object = said, outputs = ['a.o']) =>
      recorder.execution(callerOf({ invocation, ...part }), await action({ argument, outputs }), ran())
    const other = { ...said, configuration: 'arm' }
    for (const build of ['one', 'two']) {
      await seen(build, `labelled ${build}`)
      await seen(build, 'the same')
      await seen(build, `of another configuration ${build}`, other, ['b.o'])
      await seen(build, `unnamed ${build}`, {}, ['c.o'])
      await settled()
    }
    await seen('three', 'labelled three')
    await seen('three', 'the same')
    await seen('three', 'labelled one', other, ['a.o'])
    await seen('three', 'of another configuration three', said, ['b.o'])
    await seen('three', 'unnamed three', {}, ['c.o'])
    await seen('three', 'new', said, ['d.o'])
    await settled()
    const { history } = console
    const rows = (await history.actions({ build: 'three', limit: 10 })).map(({ row }) => row)
    const found = await history.comparable(rows)
    const told = rows.map((row) => found.get(row)?.map(({ build, firstOutput }) => `${build} ${firstOutput}`))
    expect(told).toEqual([['two a.o', 'two a.o'], ['two a.o'], ['one a.o'], ['two b.o'], ['two c.o'], undefined])
    for (const row of rows) expect((await history.comparable([row])).get(row)).toEqual(found.get(row))
  })

  it('is none where nothing is known of it', async () => {
    const { history } = await open()
    expect(await history.earlier(7, 10)).toEqual([])
  })
})

describe('who makes a path', () => {
  it('is an action with that output, or with a folder above it', async () => {
    const { clock, action, recorder, history, settled } = await open()
    recorder.execution(callerOf({ invocation: 'one' }), await action({ argument: '1', outputs: ['gen/tree'] }), ran())
    await settled()
    clock.advance(1_000)
    recorder.execution(callerOf({ invocation: 'two' }), await action({ argument: '2', outputs: ['gen/tree'] }), ran())
    await settled()
    const makers = async (path: string, part: object = {}) =>
      (await history.producers({ path, limit: 10, ...part })).map(({ build }) => build)
    expect(await makers('gen/tree/a/b.h')).toEqual(['two', 'one'])
    expect(await makers('gen/tree')).toEqual(['two', 'one'])
    expect(await makers('gen/tree', { build: 'one' })).toEqual(['one'])
    expect(await makers('gen/tree', { before: clock.now() - 1_000 })).toEqual(['one'])
    expect(await makers('gen')).toEqual([])
    expect(await makers('gen/tree2')).toEqual([])
  })
})

it('a restart finds everything again', async () => {
  const folder = await testFolder()
  const before = openTestConsole({ folder })
  before.recorder.lookup(callerOf({ invocation: 'kept' }), blobOf('a').digest, hit)
  await before.settled()
  before.close()
  const after = openTestConsole({ folder })
  onTestFinished(() => after.close())
  expect(await after.history.builds({ limit: 1 })).toMatchObject([{ id: 'kept', hits: 1 }])
})

describe('a folder that cannot be used', () => {
  it('is told to those who ask, and tried again', async () => {
    const folder = join(await testFolder(), 'file')
    await writeFile(folder, '')
    const { clock, console, history, recorder, settled, close } = openTestConsole({ folder })
    onTestFinished(close)
    await expect(history.builds({ limit: 1 })).rejects.toThrow('cannot make the folder of the history of builds')
    expect(console.notes()).toEqual([expect.stringContaining('the history of builds is not written')])
    await (await import('node:fs/promises')).rm(folder)
    recorder.lookup(callerOf({ invocation: 'later' }), blobOf('a').digest, hit)
    clock.advance(5_000)
    await settled()
    expect(await history.builds({ limit: 1 })).toMatchObject([{ id: 'later' }])
    expect(console.notes()).toEqual([])
  })
})
