import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { searchPath } from '../../../src/worker/program.ts'
import { imageTrouble } from '../../../src/worker/sandbox/enclosure.ts'
import { startWorker } from '../../../src/worker/worker.ts'
import { openRemote } from '../../client/remote.ts'
import { testFolder } from '../../fixture/folder.ts'
import { quietLog } from '../../fixture/quiet-log.ts'
import { openScheduler } from '../scheduler.ts'

vi.setConfig({ testTimeout: 60_000 })

const offered = { name: 'container-image', value: 'docker://*' }

async function opened(sandbox: 'on' | 'off') {
  const scheduler = openScheduler()
  const source = {
    verifies: false,
    check: () => undefined,
    find: () => Promise.reject(new Error('nothing is fetched here')),
  }
  const worker = await startWorker({
    scheduler: scheduler.channel,
    cas: openRemote().channel,
    name: 'w1',
    slots: 1,
    properties: [],
    directory: join(await testFolder(), 'worker'),
    cacheSizeBytes: 1e6,
    graceMs: 1000,
    inputs: 'auto',
    sandbox,
    images: { source, sizeBytesMax: 1e6, usual: undefined, offers: [offered] },
    version: '1',
    clock: systemClock,
    log: quietLog,
    metrics: createMetrics(),
  })
  onTestFinished(() => worker.close())
  const desk = await scheduler.desk()
  return { worker, hello: (await desk.next())?.hello }
}

describe.runIf(process.platform === 'linux')('images that a worker offers', () => {
  test('are those that it can run actions in: none without a sandbox, and it says so', async () => {
    const sandboxed = await opened('on')
    expect(sandboxed.hello?.properties).toMatchObject([offered])
    expect(sandboxed.worker.notes().join()).not.toContain('image')
    const plain = await opened('off')
    expect(plain.hello?.properties).toEqual([])
    expect(plain.worker.notes()).toContainEqual(
      'actions that run in an image are refused: there is no sandbox to run them in',
    )
  })

  test('a program that is missing on the machine is named, and where all are there nothing is', async () => {
    const folder = await testFolder()
    mkdirSync(join(folder, 'bin'))
    const options = (name: string) => ({ directory: join(folder, name), paths: [], discard: () => undefined })
    expect(imageTrouble(options('without'), join(folder, 'bin'))).toContain(
      'the program setpriv, which starts actions in images, is missing',
    )
    expect(imageTrouble(options('with'), searchPath)).toBeUndefined()
  })
})
