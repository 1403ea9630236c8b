import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { runSteps, type TaskOptions } from '../../src/cli/tasks.ts'
import type { Step } from '../../src/cluster/driver.ts'
import { Failure } from '../../src/core/failure.ts'

interface Scene {
  readonly done: string[]
  readonly lines: string[]
  readonly options: TaskOptions
}

function scene(over: Partial<TaskOptions> = {}): Scene {
  const lines: string[] = []
  const stream = new Writable({
    write(line, _, done) {
      lines.push(
        String(line)
          .trimEnd()
          .replace(/\d+\.\d s/, 'N s'),
      )
      done()
    },
  })
  const options: TaskOptions = {
    presentation: 'lines',
    signal: new AbortController().signal,
    retain: false,
    stream,
    ...over,
  }
  return { done: [], lines, options }
}

function step(name: string, done: string[], run: Step['run'] = async () => undefined): Step {
  return {
    title: name,
    async run(report) {
      done.push(name)
      await run(report)
    },
    async undo() {
      done.push(`undo ${name}`)
    },
  }
}

const failing: Step['run'] = () => Promise.reject(new Failure('unavailable', 'no'))

describe('steps', () => {
  it('run in order, each told in a line with its time', async () => {
    const { done, lines, options } = scene()
    const says: Step['run'] = async ({ say }) => {
      say('working')
      say('made')
    }
    await runSteps([step('one', done, says), step('two', done)], options)
    expect(done).toEqual(['one', 'two'])
    expect(lines).toEqual(['one: working', 'one: made (N s)', 'two: done (N s)'])
  })

  it('say what others have written without their control characters', async () => {
    const { done, lines, options } = scene()
    const quoting: Step['run'] = async ({ say }) => say('worker \u001b[2Kone\u0007 \u202eis up')
    await runSteps([step('one', done, quoting)], options)
    expect(lines).toEqual(['one: worker ?[2Kone? ?is up (N s)'])
  })

  it('are undone in reverse when one fails, the failing one first; what follows never runs', async () => {
    const { done, options } = scene()
    const steps = [step('one', done), step('two', done, failing), step('three', done)]
    await expect(runSteps(steps, options)).rejects.toMatchObject({ kind: 'unavailable', message: 'no' })
    expect(done).toEqual(['one', 'two', 'undo two', 'undo one'])
  })

  it('are left as they are with retain', async () => {
    const { done, options } = scene({ retain: true })
    await expect(runSteps([step('one', done), step('two', done, failing)], options)).rejects.toThrow('no')
    expect(done).toEqual(['one', 'two'])
  })

  it('are all undone even where one undo fails, which is told', async () => {
    const { done, lines, options } = scene()
    const broken: Step = { ...step('two', done), undo: () => Promise.reject(new Error('stuck')) }
    await expect(runSteps([step('one', done), broken, step('three', done, failing)], options)).rejects.toThrow('no')
    expect(done).toEqual(['one', 'two', 'three', 'undo three', 'undo one'])
    expect(lines).toContainEqual('Undoing: two: failed: stuck (N s)')
  })

  it('are undone when they are interrupted', async () => {
    const controller = new AbortController()
    const { done, options } = scene({ signal: controller.signal })
    const interrupted: Step['run'] = async () => controller.abort(new Failure('cancelled', 'interrupted'))
    const run = runSteps([step('one', done, interrupted), step('two', done)], options)
    await expect(run).rejects.toMatchObject({ kind: 'cancelled' })
    expect(done).toEqual(['one', 'undo one'])
  })

  it('say nothing when they are to be silent', async () => {
    const { done, lines, options } = scene({ presentation: 'silent' })
    await runSteps([step('one', done)], options)
    expect(lines).toEqual([])
  })
})
