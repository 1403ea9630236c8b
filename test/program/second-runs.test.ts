import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readDocuments } from '../fixture/documents.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { disagreements } from '../fixture/shape.ts'

let native: Native
let collector: Server
const received: string[] = []

beforeAll(async () => {
  native = await createNative()
  collector = createServer((request, response) => {
    text(request).then(
      (body) => {
        received.push(body)
        response.end('{}')
      },
      () => response.destroy(),
    )
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  const { port } = collector.address() as AddressInfo
  const file = join(native.home, 'deployment.yaml')
  await writeFile(file, `scheduler:\n  repeat: 100%\n  otlp:\n    endpoint: http://127.0.0.1:${port}\n`)
  await native.ok('deploy', '--config', file, '--workers', '2', '--slots', '1')
})
afterAll(async () => {
  await native.dispose()
  collector.close()
  collector.closeAllConnections()
})

test('an action that makes something else each time is found by the way, and builds and explain say so', async () => {
  await native.ok('exec', '--output', 'stamp', '--', 'sh', '-c', 'cat /proc/sys/kernel/random/uuid > stamp')
  const builds = await eventually(
    async () => JSON.parse((await native.ok('builds', '--json')).stdout).builds,
    ([build]) => build?.repeats?.different === 1,
  )
  const explained = await eventually(
    async () => JSON.parse((await native.ok('explain', '--json')).stdout),
    ({ notRepeatable }) => notRepeatable?.length === 1,
  )
  const [{ workers, outputs }] = explained.notRepeatable
  expect([...workers].sort()).toEqual(['worker-1', 'worker-2'])
  expect(outputs).toMatchObject([{ path: 'stamp', kind: 'contents', contents: { format: 'unknown' } }])
  const { tables } = await readDocuments()
  const table = tables.find(({ section, title }) => section === 'JSON' && title.startsWith('With `scheduler.repeat`'))
  if (!table) throw new Error('docs/json.md has no table of repeats')
  const sample = { builds: [{ repeats: builds[0].repeats }], notRepeatable: explained.notRepeatable }
  expect(disagreements(table, [sample])).toEqual([])
  expect((await native.ok('builds')).stdout).toMatch(/ REPEATED\n.* 1, 1 differs$/)
  expect((await native.ok('explain')).stdout).toMatch(
    /1 action of this build was run a second time, of which 1 .*\n\n.*\n {2}stamp differs/,
  )
  // The same build is a trace, whose id is the invocation's.
  const id = String(builds[0].id).replaceAll('-', '')
  const spans = await eventually(
    async () => received.flatMap((body) => [...body.matchAll(/"traceId":"(\w+)"[^{}]*?"name":"(\w+)"/g)]),
    (found) => found.some(([, , name]) => name === 'upload'),
  )
  expect(new Set(spans.map(([, trace]) => trace))).toEqual(new Set([id]))
  expect(spans.map(([, , name]) => name)).toEqual(['exec', 'queue', 'fetch', 'run', 'upload'])
})
