import { appendFile, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ProcessContext } from '../../../src/cluster/process/context.ts'
import { clusterLogs } from '../../../src/cluster/process/logs.ts'
import { clusterPaths } from '../../../src/cluster/process/paths.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { testFolder } from '../../fixture/folder.ts'

async function contextOf(folder: string): Promise<ProcessContext> {
  const surroundings = { env: { XDG_STATE_HOME: folder }, home: folder, tmp: folder, uid: -1 }
  return {
    paths: clusterPaths('native', surroundings),
    surroundings,
    machine: { platform: 'linux', arch: 'x64', cpus: 1 },
    clock: systemClock,
    program: [],
    release: '1',
  }
}

async function collected<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const each of source) all.push(each)
  return all
}

async function withLogs(files: Readonly<Record<string, string>>): Promise<ProcessContext> {
  const context = await contextOf(await testFolder())
  await mkdir(context.paths.logs, { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(context.paths.logs, name), text)
  return context
}

const once = { servers: [], follow: false, lines: 10, signal: new AbortController().signal }

test('the last lines of each server, also out of older files', async () => {
  const context = await withLogs({ 'cas.log': '3\n4\n', 'cas.log.1': '1\n2\n', 'worker-1.log': 'a\n' })
  const lines = await collected(clusterLogs(context, { ...once, lines: 3 }))
  expect(lines.map(({ server, text }) => `${server} ${text}`)).toEqual(['cas 2', 'cas 3', 'cas 4', 'worker-1 a'])
})

test('only the servers that are asked for', async () => {
  const context = await withLogs({ 'cas.log': 'c\n', 'worker-1.log': 'a\n' })
  const lines = await collected(clusterLogs(context, { ...once, servers: ['worker-1'] }))
  expect(lines).toEqual([{ server: 'worker-1', text: 'a' }])
})

test('without a cluster, and for a server that never ran, it is not found', async () => {
  const none = await contextOf(await testFolder())
  await expect(collected(clusterLogs(none, once))).rejects.toMatchObject({ kind: 'not-found' })
  const context = await withLogs({ 'cas.log': '' })
  await expect(collected(clusterLogs(context, { ...once, servers: ['gpu'] }))).rejects.toMatchObject({
    kind: 'not-found',
    next: [expect.stringContaining('cas')],
  })
})

test('follow gives whole lines as they come, across a rotation too, until the signal', async () => {
  const context = await withLogs({ 'cas.log': 'old\n' })
  const file = join(context.paths.logs, 'cas.log')
  const controller = new AbortController()
  const seen: string[] = []
  for await (const { text } of clusterLogs(context, { ...once, follow: true, signal: controller.signal })) {
    seen.push(text)
    if (text === 'old') await appendFile(file, 'new\nhal')
    if (text === 'new') {
      await appendFile(file, 'f\nlast before\n')
      await rename(file, `${file}.1`)
      await writeFile(file, 'first after\n')
    }
    if (text === 'first after') controller.abort()
  }
  expect(seen).toEqual(['old', 'new', 'half', 'last before', 'first after'])
})
