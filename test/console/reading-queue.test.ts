import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openHistory } from '../../src/console/history.ts'
import type { Readable, ReadingQueue } from '../../src/console/reading-queue.ts'
import { blobOf } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { callerOf } from './fixture.ts'

const bounds = { bytesMax: 1e9, ageMsMax: 1e12 }
const client = { ...callerOf({}), invocation: 'one', correlated: '', tool: '', toolVersion: '' }
const said = { ...client, target: '', mnemonic: '', configuration: '' }
const run = { outcome: 'executed' as const, skipCacheLookup: false, doNotCache: false, merged: false, exitCode: 0 }
const ended = { ...run, status: 0, message: '', worker: '', attempts: 1, times: {} }

/** A queue, and a way of having actions seen, by their numbers. */
async function open() {
  const path = join(await testFolder(), 'history.db')
  const history = openHistory({ path, bounds, clock: manualClock(), log: quietLog })
  onTestFinished(() => history.close())
  let sequence = 0
  const see = (numbers: readonly number[], kind: 'execution' | 'update' = 'execution', now = 0) => {
    sequence += 1
    const events = numbers.map((at) => ({
      ...{ kind, at: 0, client: said, instance: '', action: blobOf(`${at}`).digest, run: ended },
    }))
    history.use(({ ingest }) => ingest.add({ run: Buffer.from('run'), sequence, dropped: 0, events }, now))
  }
  const use = <T>(work: (queue: ReadingQueue) => T): T => history.use(({ unread }) => work(unread))
  return { see, use, next: () => use((queue) => queue.next()) }
}

const contents = (actions: readonly Readable[]) => actions.map(({ content }) => content)

it('puts what fails behind the others, where each waits alone, and gives it up in the end', async () => {
  const { see, use, next } = await open()
  const failNext = () => use((queue) => contents(queue.failed(queue.next())))
  const endNext = () => use((queue) => queue.done(queue.next()))
  see([1, 2], 'execution', 5)
  expect(failNext()).toEqual([])
  see([3], 'execution', 9)
  expect(contents(next())).toEqual([1])
  expect(failNext()).toEqual([])
  expect(contents(next())).toEqual([2])
  endNext()
  expect(contents(next())).toEqual([3])
  endNext()
  expect(use((queue) => queue.waitingSince())).toBe(5)
  const left: number[] = []
  let tries = 2
  for (; next().length > 0 && tries < 100; tries += 1) left.push(...failNext())
  expect(left).toEqual([1])
  expect(tries).toBe(8)
  expect(use((queue) => queue.waitingSince())).toBeUndefined()
  see([1], 'execution', 20)
  expect(contents(next())).toEqual([1])
  expect(use((queue) => queue.waitingSince())).toBe(20)
})

it('keeps what a worker has run meanwhile, since its input tree is now there', async () => {
  const { see, use, next } = await open()
  see([1], 'update')
  const read = next()
  see([1])
  use((queue) => queue.done(read))
  expect(next()).toMatchObject([{ content: read[0]?.content, ran: true }])
  use((queue) => queue.done(queue.next()))
  expect(next()).toEqual([])
})
