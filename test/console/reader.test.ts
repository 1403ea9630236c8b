import { expect, it, onTestFinished } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { explainBuild } from '../../src/explain/build.ts'
import { summaryText } from '../../src/explain/sentences.ts'
import { consoleApi } from '../../src/wire/proto.ts'
import { type Channel, Code, RpcError } from '../../src/wire/rpc.ts'
import { eventually } from '../fixture/eventually.ts'
import { testFolder } from '../fixture/folder.ts'
import { recordingLog } from '../fixture/log.ts'
import { callerOf, openTestConsole, ran } from './fixture.ts'

/** A console, and a cache that fails what a test wants failed. */
async function open(given?: string, failsFirst = (_: Uint8Array): void => undefined) {
  const folder = given ?? (await testFolder())
  const { log, lines } = recordingLog()
  const state = { failCall: failsFirst }
  const town = openTestConsole({ folder, log, failCall: (request) => state.failCall(request) })
  onTestFinished(() => town.close())
  const { history, clock, console } = town
  return {
    ...town,
    folder,
    lines,
    state,
    isLearning: () => console.history.learningSince() !== undefined,
    /** The first outputs of what the build did; empty for an action of which nothing is known. */
    known: async () => (await history.actions({ build: 'build', limit: 200 })).map(({ firstOutput }) => firstOutput),
    /** Does not wait for the console to be idle: between the tries of a call it waits for the clock. */
    async pass(seconds: number): Promise<void> {
      for (let each = 0; each < seconds; each += 1) {
        clock.advance(1_000)
        for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve))
      }
    },
  }
}

const caller = callerOf({ invocation: 'build' })
const away = () => {
  throw new RpcError(Code.UNAVAILABLE, 'away')
}

it('reads what it could not while the cache was away', async () => {
  const { action, recorder, lines, state, known, pass, isLearning } = await open()
  state.failCall = away
  for (const argument of ['1', '2', '3']) recorder.execution(caller, await action({ argument }), ran())
  await pass(30)
  expect(await known()).toEqual(['', '', ''])
  expect(isLearning()).toBe(true)
  state.failCall = () => undefined
  await pass(120)
  expect(await known()).toEqual(['out', 'out', 'out'])
  expect(isLearning()).toBe(false)
  expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
})

it('reads the others of a batch of which one always fails, gives that one up, and takes it when it is seen again', async () => {
  const { action, recorder, lines, state, known, pass, isLearning } = await open()
  const [one, poison, other] = [
    await action({ argument: '1' }),
    await action({ argument: 'poison' }),
    await action({ argument: '2' }),
  ]
  state.failCall = (request) => {
    if (Buffer.from(request).includes(poison.hash)) throw new RpcError(Code.INTERNAL, 'cannot read this')
  }
  for (const each of [one, poison, other]) recorder.execution(caller, each, ran())
  await pass(15)
  expect(await known()).toEqual(['out', '', 'out'])
  await pass(600)
  expect(isLearning()).toBe(false)
  expect(lines.filter(({ message }) => /given up/.test(message))).toHaveLength(1)
  state.failCall = () => undefined
  recorder.execution(caller, poison, ran())
  await pass(10)
  expect(await known()).toEqual(['out', 'out', 'out'])
})

it('reads them however many wait, and says until then how many could not be looked at', async () => {
  const { action, channel, history, state, pass, isLearning, console } = await open()
  state.failCall = away
  const others = 51_000
  const last = await action({ argument: 'last' })
  for (let sequence = 1; sequence <= others / 1_000 + 1; sequence += 1) {
    const digests =
      sequence > others / 1_000
        ? [last]
        : Array.from({ length: 1_000 }, (_, at) => ({ ...last, hash: hashOf(sequence * 1_000 + at) }))
    await tellOf(channel, sequence, digests)
  }
  const told = async () => {
    const [build] = await history.builds({ limit: 1 })
    return build && summaryText(await explainBuild(console.history, build))
  }
  expect(await told()).toContain('51,001 actions could not be looked at')
  state.failCall = () => undefined
  await pass(30)
  await eventually(
    async () => isLearning(),
    (isOn) => !isOn,
  )
  const [read] = await history.actions({ build: 'build', limit: 1, hashPrefix: last.hash })
  expect(read?.firstOutput).toBe('out')
  expect(await told()).not.toContain('could not be looked at')
})

it('reads after a restart what was left to be read before it', async () => {
  const { action, recorder, folder, state, pass, close } = await open()
  state.failCall = away
  recorder.execution(caller, await action({ argument: '1' }), ran())
  await pass(5)
  close()
  const next = await open(folder, away)
  expect(next.isLearning()).toBe(true)
  await next.action({ argument: '1' })
  next.state.failCall = () => undefined
  await next.pass(10)
  expect(await next.known()).toEqual(['out'])
  expect(next.isLearning()).toBe(false)
})

function hashOf(number: number): string {
  return number.toString(16).padStart(64, '0')
}

/** Tells a console that a worker ran actions. */
async function tellOf(channel: Channel, sequence: number, digests: readonly Digest[]): Promise<void> {
  const events = digests.map(({ hash, size }) => ({
    at: 1_800_000_000_000,
    client: 1,
    actionDigest: { hash, sizeBytes: size },
    execution: {},
  }))
  const clients = [Buffer.from(caller.metadata, 'base64')]
  const request = { run: new Uint8Array([1]), sequence, clients, events }
  await channel.unary('native.console.v1.Recorder/Record', consoleApi.RecordRequest.encode(request).finish())
}
