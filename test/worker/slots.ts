import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import type { ProcessRequest } from '../../src/worker/command-file.ts'
import { searchPath } from '../../src/worker/program.ts'
import type { Ended, Process } from '../../src/worker/slot-process.ts'
import { createSpawner, type Spawner, type SpawnerOptions } from '../../src/worker/spawner.ts'
import { createSink } from '../../src/worker/stream.ts'
import { testFolder } from '../fixture/folder.ts'

/** How a process ended, and what it wrote. */
type Outcome = Ended & { readonly stdout: string; readonly stderr: string }

export interface TestSlots {
  readonly folder: string
  readonly spawner: Spawner
  /** Starts a program; what is left out: a plain environment, and the test's folder to work in. */
  start(request: Partial<ProcessRequest>): Promise<Process & { readonly outcome: Promise<Outcome> }>
  /** Runs a script of a shell to its end. */
  sh(script: string, request?: Partial<ProcessRequest>): Promise<Outcome>
}

/** A spawner that is closed when the test has finished. */
export async function openSlots(options: Pick<SpawnerOptions, 'shell' | 'ways'> = {}): Promise<TestSlots> {
  const folder = await testFolder()
  const spawner = createSpawner({ ...options, directory: join(folder, 'slots') })
  onTestFinished(() => spawner.close())
  const start = async (request: Partial<ProcessRequest>) => {
    const onData = () => undefined
    const sink = () => createSink({ fn: 'sha256', directory: folder, clock: systemClock, onData })
    const sinks = { stdout: sink(), stderr: sink() }
    const env = { PATH: searchPath }
    const whole = { args: ['/bin/true'], file: request.args?.[0] ?? '/bin/true', env, cwd: folder, searchPath }
    const process = await spawner.start({ ...whole, ...request }, sinks)
    const text = (of: keyof typeof sinks) => Buffer.from(sinks[of].small ?? []).toString()
    const outcome = process.ended.then((ended) => ({ ...ended, stdout: text('stdout'), stderr: text('stderr') }))
    // A test that waits for something else first handles it later.
    outcome.catch(() => undefined)
    return { ...process, outcome }
  }
  return {
    folder,
    spawner,
    start,
    sh: async (script, request) => (await start({ args: ['/bin/sh', '-c', script], ...request })).outcome,
  }
}
