import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  diskCheck,
  inotifyCheck,
  nodeCheck,
  openFilesCheck,
  openFilesLimit,
  portCheck,
  systemCheck,
} from '../../../src/cluster/preflight/machine.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'native-preflight-'))
})
afterEach(() => rm(folder, { recursive: true }))

test.each([
  ['22.18.0', 'failed'],
  ['22.19.0', 'ok'],
  ['20.20.2', 'failed'],
  ['24.0.0', 'ok'],
])('node %s is %s', async (version, state) => {
  expect(await nodeCheck(version).run()).toMatchObject({ state })
})

test('Windows is refused with what to use instead', async () => {
  expect(await systemCheck('win32', 'x64').run()).toMatchObject({
    state: 'failed',
    cure: expect.stringContaining('WSL'),
  })
})

test('the disk is that of the nearest folder that exists', async () => {
  expect((await diskCheck(join(folder, 'not/yet/there')).run()).found).toContain('free for')
})

test('a low limit on open files names the command that raises it', async () => {
  expect(await openFilesCheck(1024).run()).toMatchObject({ state: 'note', cure: expect.stringContaining('ulimit -n') })
  expect(openFilesLimit()).toBeGreaterThan(0)
})

describe('inotify', () => {
  test('a low limit names the sysctl', async () => {
    await writeFile(join(folder, 'max_user_watches'), '8192\n')
    await writeFile(join(folder, 'max_user_instances'), '512\n')
    expect(await inotifyCheck(folder).run()).toMatchObject({
      state: 'note',
      found: 'max_user_watches is 8192',
      cure: expect.stringContaining('fs.inotify.max_user_watches='),
    })
  })

  test('where there is no such limit there is nothing to say', async () => {
    expect(await inotifyCheck(join(folder, 'absent')).run()).toMatchObject({ state: 'ok' })
  })
})

test('a taken port is told apart from a free one and from our own', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  expect(await portCheck(port, new Set()).run()).toMatchObject({ state: 'note' })
  expect(await portCheck(port, new Set([port])).run()).toMatchObject({ state: 'ok' })
  await new Promise((resolve) => server.close(resolve))
  expect(await portCheck(port, new Set()).run()).toMatchObject({ state: 'ok', found: 'free' })
})
