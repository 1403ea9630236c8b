import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../src/core/clock.ts'
import type { ProcessRequest } from '../../../src/worker/command-file.ts'
import { searchPath } from '../../../src/worker/program.ts'
import type { Ended, Process } from '../../../src/worker/slot-process.ts'
import { createSpawner, type Spawner, type SpawnerOptions } from '../../../src/worker/spawner.ts'
import { createSink } from '../../../src/worker/stream.ts'

export type Outcome = Ended & { readonly stdout: string; readonly stderr: string; readonly root: string }

/** Runs processes as a worker does, each in a folder of its own. */
export interface Runner {
  readonly spawner: Spawner
  /** Starts a process; its folder stays until the runner is closed. */
  start(request: Partial<ProcessRequest>): Promise<Process & { readonly outcome: Promise<Outcome> }>
  /** Runs a script of the shell. */
  sh(script: string, request?: Partial<ProcessRequest>): Promise<Outcome>
  close(): Promise<void>
}

/** @param directory made if it is not there, and removed at the end */
export function openRunner(
  directory: string,
  options: Omit<SpawnerOptions, 'directory'> = {},
  paths: string[] = [],
  sandboxExec?: string,
): Runner {
  mkdirSync(directory, { recursive: true })
  const spawner = createSpawner({
    ...options,
    directory: join(directory, 'slots'),
    sandbox: {
      directory: join(directory, 'cells'),
      paths,
      discard: (path) => rmSync(path, { recursive: true, force: true }),
      ...(sandboxExec !== undefined && { sandboxExec }),
    },
  })
  let number = 0
  const start: Runner['start'] = async (request) => {
    number += 1
    const root = join(directory, `action-${number}`)
    mkdirSync(root)
    const sink = () => createSink({ fn: 'sha256', directory, clock: systemClock, onData: () => undefined })
    const sinks = { stdout: sink(), stderr: sink() }
    const env = { PATH: searchPath }
    const whole = { args: ['/bin/true'], file: request.args?.[0] ?? '/bin/true', env, cwd: root, root, searchPath }
    const started = await spawner.start({ ...whole, ...request }, sinks)
    const text = (of: keyof typeof sinks) => Buffer.from(sinks[of].small ?? []).toString()
    const outcome = started.ended.then((ended) => ({ ...ended, root, stdout: text('stdout'), stderr: text('stderr') }))
    // A test that waits for something else first handles it later.
    outcome.catch(() => undefined)
    return { ...started, outcome }
  }
  return {
    spawner,
    start,
    sh: async (script, request) => (await start({ args: ['/bin/sh', '-c', script], ...request })).outcome,
    async close() {
      await spawner.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
