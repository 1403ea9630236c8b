import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createCasClient } from '../../../src/client/cas.ts'
import { execute } from '../../../src/client/execute.ts'
import type { BlobSource } from '../../../src/client/source.ts'
import { RpcError } from '../../../src/wire/rpc.ts'
import { createNative } from '../../fixture/program.ts'
import { residentBytes } from '../processes.ts'
import type { Contender, Running } from '../server.ts'
import { prepareAction, withChannel } from '../stock.ts'
import { type Figure, sections } from './row.ts'

const retryMs = 5
const attemptsMsMax = 30_000

/** An empty server: to its first answer, to its first executed action, and what it then takes in memory. */
export async function startEmpty(contender: Contender, folder: string): Promise<Figure[]> {
  const place = await mkdtemp(join(folder, 'start-'))
  const running = await contender.launch(place)
  try {
    await firstAction(running)
    const actionMs = performance.now() - running.startedAt
    return [
      { section: sections.start, title: 'start to first answer', unit: 'ms', value: running.answerMs },
      { section: sections.start, title: 'start to first executed action', unit: 'ms', value: actionMs },
      { section: sections.memory, title: 'all processes, after start', unit: 'MB', value: megabytes(running) },
    ]
  } finally {
    await running.stop()
    await rm(place, { recursive: true })
  }
}

/** Fills a folder for `restart`, and stops the server in the usual way. */
export async function fillForRestart(
  contender: Contender,
  folder: string,
  blobs: readonly BlobSource[],
): Promise<void> {
  const running = await contender.launch(folder)
  try {
    await withChannel(running.cache, (channel) => createCasClient(channel).upload(blobs))
  } finally {
    await running.stop()
  }
}

/** A server that holds blobs: to the first right answer about them. */
export async function restart(contender: Contender, folder: string, blobs: readonly BlobSource[]): Promise<Figure[]> {
  const running = await contender.launch(folder)
  try {
    const step = Math.ceil(blobs.length / 100)
    const asked = blobs.filter((_, at) => at % step === 0).map((each) => each.digest)
    const missing = await withChannel(running.cache, (channel) => createCasClient(channel).findMissing(asked))
    const value = performance.now() - running.startedAt
    assert.deepEqual(missing, [], `${contender.name} has lost blobs`)
    return [{ section: sections.start, title: `restart with ${blobs.length} blobs`, unit: 'ms', value }]
  } finally {
    await running.stop()
  }
}

/** `native up` and `native deploy`, which ends when an action has run on each worker. */
export async function upAndDeploy(built: string): Promise<Figure[]> {
  const native = await createNative(['native'], built)
  try {
    const start = performance.now()
    await native.ok('up')
    await native.ok('deploy')
    const value = performance.now() - start
    return [{ section: sections.start, title: 'native up + deploy, with a first action', unit: 'ms', value }]
  } finally {
    await native.dispose()
  }
}

export function memoryAfterLoad(running: Running): Figure {
  return { section: sections.memory, title: 'all processes, after the load', unit: 'MB', value: megabytes(running) }
}

async function firstAction(running: Running): Promise<void> {
  const { action, sources } = prepareAction(['/bin/true'])
  await withChannel(running.cache, (channel) => createCasClient(channel).upload(sources))
  await withChannel(running.execution, async (channel) => {
    for (const end = performance.now() + attemptsMsMax; ; await setTimeout(retryMs)) {
      try {
        const { error } = await execute(channel, { action }, { attemptsMax: 1 })
        if (error) throw error
        return
      } catch (error) {
        // No worker has joined yet.
        if (!(error instanceof RpcError) || performance.now() > end) throw error
      }
    }
  })
}

function megabytes({ pids }: Running): number {
  return residentBytes(pids) / 1e6
}
