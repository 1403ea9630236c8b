import { PassThrough, Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { runSteps } from '../../../src/cli/tasks.ts'
import type { ProcessContext } from '../../../src/cluster/process/context.ts'
import { clusterPaths } from '../../../src/cluster/process/paths.ts'
import { locked } from '../../../src/cluster/shared/locked-steps.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { holderOf } from '../../../src/host/process-lock.ts'
import { testFolder } from '../../fixture/folder.ts'

async function contextOf(): Promise<ProcessContext> {
  const folder = await testFolder()
  const user = { env: { XDG_STATE_HOME: folder }, home: folder, tmp: folder, uid: -1 }
  const paths = clusterPaths('native', user)
  return {
    paths,
    user,
    machine: { platform: 'linux', arch: 'x64', cpus: 1 },
    clock: systemClock,
    program: [],
    release: '1',
  }
}

/** Keeps the lines that are shown. */
function linesTo(lines: string[]): Writable {
  return new Writable({
    write(line, _, done) {
      lines.push(String(line).trimEnd())
      done()
    },
  })
}

const silent = { presentation: 'silent', signal: new AbortController().signal, stream: new PassThrough() } as const
const fails = { title: 'fails', run: () => Promise.reject(new Error('no')) }

test('the lock is held from the first step to the end of the last', async () => {
  const context = await contextOf()
  const held: (number | undefined)[] = []
  const look = { title: 'look', run: async () => void held.push(await holderOf(context.paths.lock)) }
  await runSteps(locked(context, false, [look, look]), { ...silent, retain: false })
  expect(held).toEqual([process.pid, process.pid])
  expect(await holderOf(context.paths.lock)).toBeUndefined()
})

test('it is held while things are undone, and given back then', async () => {
  const context = await contextOf()
  const held: (number | undefined)[] = []
  const first = {
    title: 'first',
    run: async () => undefined,
    undo: async () => void held.push(await holderOf(context.paths.lock)),
  }
  await expect(runSteps(locked(context, false, [first, fails]), { ...silent, retain: false })).rejects.toThrow('no')
  expect(held).toEqual([process.pid])
  expect(await holderOf(context.paths.lock)).toBeUndefined()
})

test('it is given back when the first step fails, and when nothing is undone', async () => {
  const context = await contextOf()
  await expect(runSteps(locked(context, false, [fails]), { ...silent, retain: false })).rejects.toThrow('no')
  expect(await holderOf(context.paths.lock)).toBeUndefined()
  const first = { title: 'first', run: async () => undefined }
  await expect(runSteps(locked(context, true, [first, fails]), { ...silent, retain: true })).rejects.toThrow('no')
  expect(await holderOf(context.paths.lock)).toBeUndefined()
})

test('what is taken back is told, and the lock that comes back with it is not', async () => {
  const context = await contextOf()
  const told: string[] = []
  const step = (title: string, changes: object = {}) => ({ title, run: async () => undefined, ...changes })
  const steps = [
    step('takes the lock'),
    step('made nothing', { undo: async () => undefined, undoes: () => false }),
    step('made something', { undo: async () => undefined }),
    fails,
  ]
  const presentation = { presentation: 'lines', stream: linesTo(told) } as const
  await expect(runSteps(locked(context, false, steps), { ...silent, ...presentation, retain: false })).rejects.toThrow(
    'no',
  )
  const undone = told.filter((each) => each.startsWith('Undoing'))
  expect(undone).toEqual([expect.stringMatching(/^Undoing: made something: done/)])
  expect(await holderOf(context.paths.lock)).toBeUndefined()
})

test('an undo that fails is told, whatever it was to take back', async () => {
  const context = await contextOf()
  const told: string[] = []
  const undo = () => Promise.reject(new Error('it stays'))
  const steps = [{ title: 'first', run: async () => undefined, undo, undoes: () => false }, fails]
  const presentation = { presentation: 'lines', stream: linesTo(told) } as const
  await expect(runSteps(locked(context, false, steps), { ...silent, ...presentation, retain: false })).rejects.toThrow(
    'no',
  )
  expect(told).toContain('Undoing: first: failed: it stays')
})
