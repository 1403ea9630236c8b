import { appendFile, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ProcessContext } from '../../../src/cluster/process/context.ts'
import { clusterLogs } from '../../../src/cluster/process/logs.ts'
import { clusterPaths } from '../../../src/cluster/process/paths.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { testFolder } from '../../fixture/folder.ts'

async function contextOf(folder: string): Promise<ProcessContext> {
  const user = { env: { XDG_STATE_HOME: folder }, home: folder, tmp: folder, uid: -1 }
  return {
    paths: clusterPaths('native', user),
    user,
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

const at = (second: number, text: string) => JSON.stringify({ time: `2026-11-24T00:00:0${second}.000Z`, msg: text })

test('lines of all servers by their time, from a time on, out of older files too', async () => {
  const context = await withLogs({
    'cas.log': `${at(3, 'c3')}\n${at(5, 'c5')}\n`,
    'cas.log.1': `${at(1, 'c1')}\n${at(2, 'c2')}\n`,
    'worker-1.log': `${at(1, 'w1')}\n${at(4, 'w4')}\n`,
  })
  const messages = async (sinceMs?: number) =>
    (await collected(clusterLogs(context, { ...once, sinceMs }))).map(({ text }) => JSON.parse(text).msg)
  expect(await messages()).toEqual(['c1', 'w1', 'c2', 'c3', 'w4', 'c5'])
  expect(await messages(Date.parse('2026-11-24T00:00:02Z'))).toEqual(['c2', 'c3', 'w4', 'c5'])
  expect(await messages(Date.parse('2026-11-25T00:00:00Z'))).toEqual([])
})

test('of a log that is read from its middle, no half line is shown', async () => {
  const line = 'x'.repeat(1000)
  const context = await withLogs({ 'cas.log': `${line}\n`.repeat(13_000) })
  const lines = await collected(clusterLogs(context, { ...once, lines: 100_000 }))
  expect(lines.length).toBeGreaterThan(12_000)
  expect(new Set(lines.map(({ text }) => text))).toEqual(new Set([line]))
})
