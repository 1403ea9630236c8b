import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openBuildHistory } from '../../src/client/build-history.ts'
import { explainMethod } from '../../src/console/explain-service.ts'
import { openHistory } from '../../src/console/history.ts'
import type { ActionRecord } from '../../src/core/build-history.ts'
import { messageBytesMax } from '../../src/core/limits.ts'
import type { DifferentAction, DifferentOutput } from '../../src/core/output-difference.ts'
import type { Explanations } from '../../src/explain/explanations.ts'
import { consoleApi } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { callerOf, hit, hour, openTestConsole } from './fixture.ts'

async function open(folder?: string) {
  const town = openTestConsole({ folder: folder ?? (await testFolder()) })
  onTestFinished(() => town.close())
  const answers: number[] = []
  const { channel, recorder, settled } = town
  const counted: typeof channel.unary = async (method, request, options) => {
    const answer = await channel.unary(method, request, options)
    answers.push(answer.length)
    return answer
  }

  return {
    ...town,
    history: openBuildHistory({ ...channel, unary: counted }),
    /** The answers since the last time: several, none of them longer than a client takes that says nothing of it. */
    expectSeveralAnswers(): void {
      expect(answers.length).toBeGreaterThan(1)
      expect(Math.max(...answers)).toBeLessThan(messageBytesMax)
      answers.length = 0
    },
    async recorded(count: number, record: (at: number) => void): Promise<void> {
      for (let at = 0; at < count; at += 1) record(at)
      for (let batches = 0; batches <= count; batches += 200) await settled()
    },
    recorder,
  }
}

/** As long as the console keeps it, and longer still as UTF-8. */
const long = (text: string | number) => `${text} `.padEnd(1_000, '€')

it('lists builds and their producers in several answers, where clients say much of themselves', async () => {
  const { recorder, recorded, history, expectSeveralAnswers, action, clock } = await open()
  const digest = await action({ argument: 'x', outputs: ['made'] })
  await recorded(800, (at) => {
    recorder.lookup(callerOf({ invocation: long(at), tool: long('tool'), target: long('target') }), digest, hit)
    clock.advance(1)
  })
  const builds = await history.builds({ limit: 1_000 })
  expect(builds.map(({ id }) => Number.parseInt(id, 10))).toEqual(Array.from({ length: 800 }, (_, at) => 799 - at))
  expectSeveralAnswers()
  expect(await history.builds({ limit: 750 })).toHaveLength(750)
  expectSeveralAnswers()
  const numbers = (actions: readonly ActionRecord[]) => actions.map(({ build }) => Number.parseInt(build, 10))
  const made = await history.producers({ path: 'made', limit: 1_000 })
  expect(numbers(made)).toEqual(Array.from({ length: 800 }, (_, at) => 799 - at))
  expectSeveralAnswers()
  const earlier = await history.earlier(made[0]?.row ?? 0, 1_000)
  expect(numbers(earlier)).toEqual(Array.from({ length: 799 }, (_, at) => 798 - at))
  expectSeveralAnswers()
})

it('lists the actions of a page in several answers', async () => {
  const { recorder, recorded, history, expectSeveralAnswers } = await open()
  const said = { invocation: 'build', mnemonic: long('mnemonic') }
  await recorded(800, (at) => recorder.lookup(callerOf({ ...said, target: long(at) }), blobOf(`${at}`).digest, hit))
  const actions = await history.actions({ build: 'build', limit: 799 })
  expect(actions.map(({ target }) => Number.parseInt(target, 10))).toEqual(Array.from({ length: 799 }, (_, at) => at))
  expectSeveralAnswers()
})

const output = (path: string): DifferentOutput => ({ path, kind: 'only-first', one: 'x', other: null, contents: null })

const different = (at: number, outputs: readonly DifferentOutput[]): DifferentAction => ({
  ...{ action: `${at}/1`, target: '//t', mnemonic: 'M', workers: ['a', 'b'], exitCodes: [0, 0] },
  ...{ outputs, moreOutputs: 1 },
})

it('lists actions that were not repeatable in several answers, and of one with endless paths only how many', async () => {
  const folder = await testFolder()
  const before = await open(folder)
  before.recorder.lookup(callerOf({ invocation: 'build' }), blobOf('a').digest, hit)
  await before.settled()
  before.close()
  const bounds = { bytesMax: 1e9, ageMsMax: hour }
  const { clock } = before

  const written = openHistory({ path: join(folder, 'history.db'), bounds, clock, log: quietLog })
  written.use(({ repeats }) => {
    for (let at = 0; at < 500; at += 1) repeats.add(1, different(at, [output('p'.repeat(20_000))]))
    repeats.add(1, different(500, [output('p'.repeat(5_000_000)), output('q')]))
  })
  written.close()
  const { history, expectSeveralAnswers, channel } = await open(folder)
  const told = await history.repeats('build', 1_000)
  expect(told.map(({ action }) => Number.parseInt(action, 10))).toEqual(
    Array.from({ length: 501 }, (_, at) => 500 - at),
  )
  expectSeveralAnswers()
  expect(told[0]).toMatchObject({ outputs: [], moreOutputs: 3 })
  const request = consoleApi.ListRepeatsRequest.encode({ build: 'build', skip: -1 }).finish()
  await expect(channel.unary('native.console.v1.History/ListRepeats', request)).rejects.toThrow('skip')
})

it('names as many causes of an explanation as fit, and counts the others', async () => {
  const { console, recorder, settled } = await open()
  recorder.lookup(callerOf({ invocation: 'build' }), blobOf('a').digest, hit)
  await settled()
  const link = { target: '//t', mnemonic: 'M', action: 'a/1', path: 'p'.repeat(10_000) }
  const cause = {
    ...({
      kind: 'input',
      subject: 'a.c',
      one: null,
      other: null,
      actions: 2,
      notAlone: 0,
      direct: 1,
      seconds: 1,
    } as const),
    ...{ chain: Array.from({ length: 50 }, () => link), examples: [], against: null, evictedMs: null },
  }
  const made = {
    actions: 100,
    hits: 0,
    causes: Array.from({ length: 50 }, () => cause),
    more: { causes: 1, actions: 3 },
  }
  const explanations: Explanations = {
    of: async (build) => ({ build, ...made, unread: 0, cut: 0 }),
    last: () => undefined,
    isFinal: () => true,
    hasSettled: () => true,
    settled: () => undefined,
    close: () => undefined,
  }
  const methods = { Explain: explainMethod(console.history, explanations) }
  const channel = memoryChannel([{ name: 'native.console.v1.History', methods }])
  onTestFinished(() => channel.close())
  const request = consoleApi.ExplainRequest.encode({ build: 'build' }).finish()
  const answer = await channel.unary('native.console.v1.History/Explain', request)
  const { causes, moreCauses, moreActions } = consoleApi.ExplainResponse.decode(answer)
  expect(answer.length).toBeLessThan(messageBytesMax)
  expect(causes).toHaveLength(8)
  expect([moreCauses, moreActions]).toEqual([1 + 42, 3 + 84])
})
