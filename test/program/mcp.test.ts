import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { execa } from 'execa'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { readDocuments } from '../fixture/documents.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native, root } from '../fixture/program.ts'
import { disagreements } from '../fixture/shape.ts'

const program = join(root, 'bin/run.js')
const { tables, text: documents } = await readDocuments()
let native: Native
let client: Client
/** What the server wrote on standard error. */
let complaints = ''
const digests: string[] = []

beforeAll(async () => {
  native = await createNative()
  await native.ok('deploy', '--slots', '2')
  await mkdir(join(native.home, 'src'))
  for (const words of ['one two', 'one two three']) {
    await writeFile(join(native.home, 'src/words'), words)
    const flags = ['--json', '--input', 'src', '--output', 'count', '--env', 'API_TOKEN=hunter2']
    const { stdout } = await native.ok('exec', ...flags, '--', '/bin/sh', '-c', 'wc -w < words > count')
    digests.push(JSON.parse(stdout).action)
  }
})
afterAll(() => native.dispose())

beforeEach(async () => {
  client = new Client({ name: 'a test', version: '1' })
  const transport = new StdioClientTransport({
    ...{ command: process.execPath, args: [program, 'mcp'] },
    ...{ env: { ...native.env }, cwd: native.home, stderr: 'pipe' },
  })
  complaints = ''
  transport.stderr?.on('data', (piece: Buffer) => {
    complaints += piece.toString()
  })
  await client.connect(transport)
})
afterEach(async () => {
  await client.close()
  expect(complaints).toBe('')
})

async function call(name: string, given: Record<string, unknown> = {}) {
  const answer = await client.callTool({ name, arguments: given })
  const [first] = answer.content as { type: string; text: string }[]
  return { text: first?.text ?? '', json: answer.structuredContent as never, isError: answer.isError === true }
}

test('it says who it is and what it can be asked, none of which changes anything', async () => {
  expect(client.getServerVersion()).toMatchObject({ name: 'native', version: expect.stringMatching(/^\d/) })
  expect(client.getInstructions()).toContain('explain_build')
  const { tools } = await client.listTools()
  const names = 'cluster_status diff_actions explain_build explain_target list_actions list_builds show_action'
  expect(tools.map(({ name }) => name).toSorted()).toEqual(names.split(' '))
  for (const { annotations, description, inputSchema, name } of tools) {
    expect(annotations).toMatchObject({ readOnlyHint: true })
    expect(description?.length).toBeGreaterThan(20)
    expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false })
    expect(documents).toContain(`\`${name}\``)
  }
})

test('builds, their causes, actions and differences are those of the commands', async () => {
  await eventually(
    () => call('explain_build'),
    ({ text }) => text.includes('input words changed'),
  )
  const builds = await call('list_builds', { limit: 2 })
  expect(builds.json).toEqual(JSON.parse((await native.ok('builds', '--limit', '2', '--json')).stdout))
  expect(builds.text).toContain('native')

  const explained = await call('explain_target', { what: 'count' })
  expect(explained.json).toEqual(JSON.parse((await native.ok('explain', 'count', '--json')).stdout))
  expect(explained.text).toContain('input words changed')
  const { id } = (builds.json as { builds: { id: string }[] }).builds[1] ?? { id: '' }
  expect((await call('explain_build', { build: id.slice(0, 12) })).text).toContain('never seen before')

  const actions = await call('list_actions', { outcome: 'executed' })
  expect(actions.json).toMatchObject({ actions: [{ action: digests[1], mnemonic: 'exec', outcome: 'executed' }] })
  expect((await call('list_actions', { outcome: 'failed' })).json).toEqual({ actions: [] })

  const [one, other] = digests
  const difference = await call('diff_actions', { one, other })
  expect(difference.json).toEqual(JSON.parse((await native.ok('diff', one ?? '', other ?? '', '--json')).stdout))

  const shown = await call('show_action', { what: one?.slice(0, 12) })
  expect(shown.json).toMatchObject({ action: one, outcome: 'executed', command: { outputs: ['count'] } })
  expect(shown.text).toContain('wc -w < words > count')
  expect(JSON.stringify(shown)).not.toContain('hunter2')
  expect((await call('show_action', { what: 'count' })).json).toMatchObject({ action: other })

  const status = await call('cluster_status')
  expect(status.json).toMatchObject({ state: 'deployed' })
  expect(status.text).not.toContain('\u001b')

  for (const [title, samples] of [
    ['`list_actions`', [actions.json]],
    ['`show_action`', [shown.json]],
  ] as const) {
    const table = tables.find(({ section, title: own }) => section === 'JSON' && own.startsWith(title))
    if (!table) throw new Error(`docs/json.md has no table of ${title}`)
    // What an action need not have is marked; types hold the other side of what is null.
    const rows = table.rows.filter(([, type = '']) => !type.includes('absent'))
    const absent = table.rows.filter(([, type = '']) => type.includes('absent')).map(([field = '']) => field)
    const found = disagreements({ ...table, rows }, JSON.parse(JSON.stringify(samples)))
    expect(found.filter((line) => !absent.some((field) => line.startsWith(field.replaceAll('`', ''))))).toEqual([])
  }
})

test('what is wrong is the answer of its call, and the next one is answered', async () => {
  expect(await call('explain_build', { build: 'nobody' })).toMatchObject({
    ...{ isError: true, text: expect.stringContaining('not-found: no build is called "nobody"') },
  })
  for (const given of [{}, { what: 7 }, { what: 'x', more: 1 }, { what: 'x'.repeat(5_000) }])
    expect(await call('show_action', given)).toMatchObject({ isError: true, text: expect.stringContaining('invalid') })
  for (const limit of [0, 1.5, 1_001, '3'])
    expect(await call('list_builds', { limit })).toMatchObject({
      ...{ isError: true, text: expect.stringContaining('a whole number from 1 to 1000') },
    })
  expect(await call('list_actions', { outcome: 'odd' })).toMatchObject({ isError: true })
  await expect(client.callTool({ name: 'remove_cluster', arguments: {} })).rejects.toThrow(/no tool "remove_cluster"/)
  expect(await call('list_builds', { limit: null })).toMatchObject({ isError: false })
})

test('without a cluster every question is answered with what to do', async () => {
  const { tools } = await client.listTools()
  const other = new Client({ name: 'a test', version: '1' })
  const args = [program, 'mcp', '--name', 'absent']
  await other.connect(new StdioClientTransport({ command: process.execPath, args, env: { ...native.env } }))
  try {
    for (const name of ['list_builds', 'explain_build', 'list_actions']) {
      const answer = await other.callTool({ name, arguments: {} })
      expect(answer).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('native deploy') }] })
    }
    expect(await other.callTool({ name: 'cluster_status', arguments: {} })).toMatchObject({
      structuredContent: { state: 'absent' },
    })
    expect((await other.listTools()).tools).toHaveLength(tools.length)
  } finally {
    await other.close()
  }
})

test('it ends with 0 when its input does, or it is told to', async () => {
  const started = { env: native.env, extendEnv: false, cwd: native.home, reject: false } as const
  const fed = await execa(process.execPath, [program, 'mcp'], { ...started, input: 'no message\n{}\n' })
  expect(fed).toMatchObject({ exitCode: 0, stdout: '' })
  const running = execa(process.execPath, [program, 'mcp'], { ...started, stdin: 'pipe' })
  running.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })}\n`)
  await new Promise((resolve) => running.stdout?.once('data', resolve))
  running.kill('SIGTERM')
  expect(await running).toMatchObject({ exitCode: 0 })
})
