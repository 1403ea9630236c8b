import { expect, it, onTestFinished } from 'vitest'
import { Code, RpcError } from '../../src/wire/rpc.ts'
import { testFolder } from '../fixture/folder.ts'
import { recordingLog } from '../fixture/log.ts'
import { callerOf, openTestConsole, ran } from './fixture.ts'

/** A console, and a cache that fails what a test wants failed. */
async function open() {
  const { log, lines } = recordingLog()
  const state = { failCall: (_: Uint8Array): void => undefined }
  const town = openTestConsole({ folder: await testFolder(), log, failCall: (request) => state.failCall(request) })
  onTestFinished(() => town.close())
  const { history, clock, console } = town
  return {
    ...town,
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

it('reads what it could not while the cache was away', async () => {
  const { action, recorder, lines, state, known, pass, isLearning } = await open()
  state.failCall = () => {
    throw new RpcError(Code.UNAVAILABLE, 'away')
  }
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
