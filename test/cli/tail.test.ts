import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { besideLines } from '../../src/cli/tail/beside.ts'
import { createLines } from '../../src/cli/tail/lines.ts'
import { createEndings } from '../../src/cli/tail/over.ts'
import { lineJson, lineText } from '../../src/cli/tail/text.ts'
import type { RunEvent } from '../../src/client/run-output.ts'
import type { BuildHistory, BuildRecord } from '../../src/core/build-history.ts'
import { Code, RpcError } from '../../src/wire/rpc.ts'

const facts = { invocation: 'b1', target: '//app:lib', mnemonic: 'CppCompile', action: 'ab12/5', worker: 'w1' }
const begun = (run: number): RunEvent => ({ kind: 'begun', run, ...facts })
const output = (run: number, text: string | Buffer, stream: 'stdout' | 'stderr' = 'stdout', lost = 0): RunEvent => ({
  kind: 'output',
  run,
  stream,
  data: Buffer.from(text),
  lost,
})
const ended = (run: number): RunEvent => ({ kind: 'ended', run, broken: '' })

function textsOf(events: readonly RunEvent[]): string[] {
  const linesOf = createLines()
  return events.flatMap(linesOf).map(({ stream, text }) => `${stream} ${text}`)
}

test('lines are put together run by run and stream by stream, and the rest comes with the end', () => {
  const texts = textsOf([
    begun(1),
    begun(2),
    output(1, 'one\ntw'),
    output(2, 'other '),
    output(1, 'warned', 'stderr'),
    output(1, 'o\r\n\nthree'),
    output(2, 'run\n'),
    ended(1),
  ])
  expect(texts).toEqual(['stdout one', 'stdout two', 'stdout ', 'stdout other run', 'stdout three', 'stderr warned'])
})

test('a character that comes in two pieces is one, and progress that is drawn over itself is lines', () => {
  const euro = Buffer.from('€\n')
  expect(textsOf([begun(1), output(1, euro.subarray(0, 1)), output(1, euro.subarray(1)), ended(1)])).toEqual([
    'stdout €',
  ])
  expect(textsOf([begun(1), output(1, '10 %\r50 %\r'), output(1, '\n'), ended(1)])).toEqual([
    'stdout 10 %',
    'stdout 50 %',
  ])
})

test('a line without an end does not pile up, and nothing of it is lost', () => {
  const texts = textsOf([begun(1), ...Array.from({ length: 100 }, () => output(1, 'x'.repeat(1000))), ended(1)])
  expect(texts.length).toBeGreaterThan(10)
  expect(texts.map((text) => text.slice('stdout '.length)).join('')).toBe('x'.repeat(100_000))
})

test('what is not shown is said: an end that is none, and actions that were too many, each once', () => {
  const notes: string[] = []
  const tellBeside = besideLines((text) => notes.push(text))
  const flight = (skipped: number): RunEvent => ({ kind: 'flight', operations: 1, invocations: [], skipped })
  const broken: RunEvent = { kind: 'ended', run: 1, broken: 'its output is not kept any more' }
  for (const event of [flight(0), begun(1), ended(1), flight(3), flight(3), broken, flight(4)]) tellBeside(event)
  expect(notes).toEqual([
    'the output of 3 actions is not shown: there was too much at once',
    'the output of an action ends early: its output is not kept any more',
    'the output of 1 action is not shown: there was too much at once',
  ])
})

const line = { ...facts, stream: 'stderr' as const, text: '\u001b[31mred\u001b[0m\tand \u0007\u202ebell', lost: 0 }

test('what a stranger prints has no say over the terminal', () => {
  const plain = Object.assign(new PassThrough(), { isTTY: false }) as unknown as NodeJS.WriteStream
  expect(lineText(line, plain)).toBe('//app:lib | red    and ??bell')
  expect(lineText({ ...line, target: '\u001b]0;x', text: 'a' }, plain)).toBe('?]0;x | a')
  expect(lineText({ ...line, target: '', lost: 7, text: 'a' }, plain)).toBe(
    'CppCompile | (7 bytes are not kept any more)\nCppCompile | a',
  )
})

test('each line of --json is one object', () => {
  expect(JSON.parse(lineJson(line, 12))).toEqual({
    at: 12,
    build: 'b1',
    target: '//app:lib',
    mnemonic: 'CppCompile',
    action: 'ab12/5',
    worker: 'w1',
    stream: 'stderr',
    text: 'red    and ??bell',
    lost: 0,
  })
})

const flight = (operations: number, ...invocations: string[]) => ({
  kind: 'flight' as const,
  operations,
  invocations,
  skipped: 0,
})

/** A history that knows builds, or does not answer. */
function historyOf(
  builds: () => { readonly id: string; readonly told?: BuildRecord['told'] | undefined }[],
): BuildHistory {
  return { builds: async () => builds() } as unknown as BuildHistory
}

test('a build of which its client tells is over when that says so, and not before', async () => {
  let told: BuildRecord['told'] = {
    command: 'build',
    patterns: [],
    started: 1,
    targets: 0,
    targetsFailed: 0,
    tests: 0,
    testsFailed: 0,
  }
  const endings = createEndings(historyOf(() => [{ id: 'b1', told }]))
  endings.note(flight(2, 'b1'), 10_000)
  expect(await endings.areOver(50_000)).toBe(false)
  endings.note(flight(0), 60_000)
  expect(await endings.areOver(120_000)).toBe(false)
  told = { ...told, finished: 2 }
  expect(await endings.areOver(125_000)).toBe(true)
})

test('one that nobody tells of is over when nothing of it ran for a while', async () => {
  for (const history of [undefined, historyOf(() => [{ id: 'b1' }]), historyOf(() => [])]) {
    const endings = createEndings(history)
    expect(await endings.areOver(5_000)).toBe(false)
    endings.note(flight(1, 'b1'), 10_000)
    endings.note(flight(0), 20_000)
    expect(await endings.areOver(25_000)).toBe(false)
    expect(await endings.areOver(30_000)).toBe(true)
  }
})

test('an action that is over before it was counted is of a build that was seen', async () => {
  const endings = createEndings(undefined)
  endings.note(flight(0), 1_000)
  endings.note(begun(1), 2_000)
  expect(await endings.areOver(11_000)).toBe(false)
  expect(await endings.areOver(12_000)).toBe(true)
})

test('a console that does not answer ends nothing', async () => {
  const history = historyOf(() => {
    throw new RpcError(Code.UNAVAILABLE, 'away')
  })
  const endings = createEndings(history)
  endings.note(flight(1, 'b1'), 10_000)
  endings.note(flight(0), 20_000)
  expect(await endings.areOver(60_000)).toBe(false)
})
