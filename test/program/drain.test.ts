import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runRemotely } from '../../src/client/run.ts'
import { eventually } from '../fixture/eventually.ts'
import { createServerPlace, type ServerPlace, type TestServer } from '../fixture/servers.ts'

/** Longer than any test: a server that waits for it is seen. */
const drain = '30m'

describe('SIGTERM', () => {
  let place: ServerPlace
  let cas: TestServer
  beforeAll(async () => {
    place = createServerPlace()
    cas = await place.start('cas', { store: { kind: 'memory', size: '64MB' }, drain })
  })
  afterAll(() => place.dispose())

  async function schedulerWithWorker(name: string): Promise<TestServer> {
    const url = `grpc://${cas.address}`
    const scheduler = await place.start('scheduler', { cas: url, drain })
    const directory = join(place.folder, name)
    await place.start('worker', { scheduler: `grpc://${scheduler.address}`, cas: url, name, directory })
    await eventually(
      async () => scheduler.log(),
      (log) => log.includes('worker joined'),
    )
    return scheduler
  }

  test('ends a scheduler at once that has workers and nothing to do', async () => {
    const scheduler = await schedulerWithWorker('idle')
    process.kill(scheduler.pid, 'SIGTERM')
    await eventually(
      async () => scheduler.running(),
      (running) => !running,
    )
  })

  test('ends a scheduler once the action that runs is done, and its client has the answer', async () => {
    const scheduler = await schedulerWithWorker('busy')
    let printed = ''
    const report = runRemotely(
      cas.channel,
      scheduler.channel,
      {
        argv: ['/bin/sh', '-c', 'echo begun; sleep 1; echo done'],
        env: { PATH: '/usr/bin:/bin' },
        outputPaths: [],
        properties: [],
        doNotCache: true,
        skipCacheLookup: true,
      },
      {
        onOutput(_, bytes) {
          printed += Buffer.from(bytes).toString()
        },
      },
    )
    await eventually(
      async () => printed,
      (text) => text.includes('begun'),
    )
    process.kill(scheduler.pid, 'SIGTERM')
    expect(await report).toMatchObject({ exitCode: 0, error: undefined })
    expect(printed).toContain('done')
    await eventually(
      async () => scheduler.running(),
      (running) => !running,
    )
  })
})
