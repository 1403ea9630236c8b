import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClusterStatus } from '../../src/cluster/status.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { finished, patterns, started, target, tell } from '../console/bes-client.ts'
import { plain, readDocuments, type Table } from '../fixture/documents.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native, root } from '../fixture/program.ts'
import { selfSigned } from '../fixture/self-signed.ts'
import { disagreements } from '../fixture/shape.ts'

// docs/json.md says what --json prints, field by field, and docs/metrics.md what the servers count: both held
// against the program, both ways.

const { tables } = await readDocuments()

function tableOf(start: string): Table {
  const found = tables.find(({ section, title }) => section === 'JSON' && title.startsWith(start))
  if (!found) throw new Error(`docs/json.md has no table of fields under "${start}"`)
  return found
}

let native: Native
const json = async (...args: string[]): Promise<unknown> => {
  const own = args.includes('--') ? args.indexOf('--') : args.length
  const { stdout } = await native.run(...args.slice(0, own), '--json', ...args.slice(own))
  return JSON.parse(stdout)
}

beforeAll(async () => {
  native = await createNative()
  await native.ok('deploy', '--slots', '2')
})
afterAll(() => native.dispose())

describe('what --json prints is what docs/json.md says', () => {
  test('of status, up, deploy and down', async () => {
    // A build, for which the cache keeps something.
    await native.ok('exec', '--', '/bin/true')
    const absent = await json('status', '--name', 'nobody')
    const samples = [absent, await json('status'), await json('up', '--at-login'), await json('deploy')]
    expect(disagreements(tableOf('`status`'), [...samples, await json('down', '--name', 'nobody')])).toEqual([])
  })

  test('of the states of a cluster and of its servers', async () => {
    const code = await readFile(join(root, 'src/cluster/status.ts'), 'utf8')
    const states = new Map(tableOf('`status`').rows.map(([field, , meaning = '']) => [plain(field), words(meaning)]))
    expect(states.get('state')).toEqual(union(code, /type ClusterState = (.*)/))
    expect(states.get('servers[].state')).toEqual(union(code, /readonly state: ('starting'.*)/))
    expect(states.get('servers[].role')).toEqual(union(code, /readonly role: (.*)/))
    expect(states.get('driver')).toEqual(union(code, /type DriverKind = (.*)/))
  })

  test('of ips', async () => {
    const { certificate, key } = await selfSigned(native.home)
    await native.ok('deploy', '--name', 'own', '--workers', '0', '--tls-cert', certificate, '--tls-key', key)
    await native.ok('deploy', '--name', 'made', '--workers', '0', '--tls', 'auto', '--tls-client-ca', certificate)
    const samples = [await json('ips'), await json('ips', '--name', 'own'), await json('ips', '--name', 'made')]
    expect(disagreements(tableOf('`ips`'), samples)).toEqual([])
    for (const name of ['own', 'made']) await native.ok('down', '--name', name)
  })

  test('of builds', async () => {
    await native.ok('exec', '--', '/bin/true')
    const { console } = (await json('ips')) as { console: { url: string } }
    const channel = openChannel(console.url)
    await tell(channel, 'told', [started(), patterns('//a'), target('//a'), finished()])
    channel.close()
    const two = (answer: unknown) => (answer as { builds: unknown[] }).builds.length > 1
    expect(disagreements(tableOf('`builds`'), [await eventually(() => json('builds'), two)])).toEqual([])
  })

  test('of open, which opens nothing then', async () => {
    await native.ok('exec', '--', '/bin/true')
    const listed = async () => (await json('builds')) as { builds: { id: string }[] }
    const { builds } = await eventually(listed, (answer) => answer.builds.length > 0)
    const [all, one] = [await json('open'), await json('open', builds[0]?.id ?? '')]
    expect(disagreements(tableOf('`open`'), [all, one])).toEqual([])
    expect(one).toEqual({ url: `${(all as { url: string }).url}build/${builds[0]?.id}` })
    expect((await native.ok('open', '--no-browser')).stdout.trim()).toBe((all as { url: string }).url)
  })

  test('of logs', async () => {
    const { stdout } = await native.ok('logs', '-n', '2', '--json')
    const lines = stdout.split('\n').map((line): Record<string, unknown> => JSON.parse(line))
    const table = tableOf('`logs`')
    // Each line has fields of its own besides.
    const common = table.rows.map(([field]) => plain(field))
    const told = lines.map((line) => Object.fromEntries(Object.entries(line).filter(([key]) => common.includes(key))))
    expect(disagreements(table, told)).toEqual([])
  })

  test('of a healthy start, whose logs have no warning', async () => {
    const { stdout } = await native.ok('logs', '--since', '1h', '--json')
    const levels = stdout.split('\n').map((line) => JSON.parse(line).level)
    expect(new Set(levels)).toEqual(new Set(['info']))
  })

  test('of doctor', async () => {
    expect(disagreements(tableOf('`doctor`'), [await json('doctor')])).toEqual([])
  })

  test('of token', async () => {
    const file = ['--file', join(native.home, 'tokens.json')]
    const create = (name: string, ...more: string[]) =>
      json('token', 'create', ...file, '--name', name, '--role', 'reader', ...more)
    const samples = [
      await create('a', '--instance', 'ci'),
      await create('b', '--expires', 'never'),
      await json('token', 'rotate', 'a', ...file),
    ]
    expect(disagreements(tableOf('`token create`'), samples)).toEqual([])
    expect(disagreements(tableOf('`token list`'), [await json('token', 'list', ...file)])).toEqual([])
    const revoked = [await json('token', 'revoke', 'a', ...file), await json('token', 'revoke', 'b', ...file)]
    const { rows, ...rest } = tableOf('`token create`')
    const withoutToken = { ...rest, rows: rows.filter(([field]) => plain(field) !== 'token') }
    expect(disagreements(withoutToken, revoked)).toEqual([])
  })

  test('of bazelrc', async () => {
    const samples = [
      await json('bazelrc'),
      await json('bazelrc', '--write', 'rc'),
      await json('bazelrc', '--remove', 'rc'),
    ]
    expect(disagreements(tableOf('`bazelrc`'), samples)).toEqual([])
  })

  test('of client', async () => {
    const samples = [
      await json('client', 'ccache'),
      await json('client', 'turbo', '--write', 'turbo.env'),
      await json('client', 'turbo', '--remove', 'turbo.env'),
    ]
    expect(disagreements(tableOf('`client`'), samples)).toEqual([])
  })

  test('of completion and man', async () => {
    const shells = await Promise.all(['bash', 'zsh', 'fish'].map((shell) => json('completion', shell)))
    expect(disagreements(tableOf('`completion`'), shells)).toEqual([])
    expect(disagreements(tableOf('`man`'), [await json('man')])).toEqual([])
  })

  test('of deploy --render, which needs no cluster', async () => {
    const images = ['--image', 'registry.test/native:1', '--worker-image', 'registry.test/worker:1']
    const rendered = await json('deploy', '--render', 'objects', ...images)
    expect(disagreements(tableOf('`deploy --render`'), [rendered])).toEqual([])
    expect(rendered).toEqual({ folder: 'objects' })
  })

  test('of image inspect, which docs/json.md names in a sentence', async () => {
    await writeFile(join(native.home, 'plain.yaml'), 'name: plain\nbase: scratch\nplatforms: [linux/amd64]\n')
    await json('image', 'copy', '--definition', 'plain.yaml', 'oci:plain:v1')
    const inspected = (await json('image', 'inspect', 'oci:plain:v1')) as object
    const document = await readFile(join(root, 'docs/json.md'), 'utf8')
    expect(document.replace(/\s+/g, ' ')).toContain(`\`image inspect\` \`{${Object.keys(inspected).join(', ')}}\``)
  })

  test('of example', async () => {
    expect(disagreements(tableOf('`example`'), [await json('example', 'there')])).toEqual([])
  })

  test('of exec', async () => {
    const samples = [
      await json('exec', '--output', 'made', '--', '/bin/sh', '-c', 'echo x > made'),
      await json('exec', '--', '/bin/false'),
    ]
    expect(disagreements(tableOf('`exec`'), samples)).toEqual([])
  })

  test('of diff', async () => {
    await mkdir(join(native.home, 'one'))
    await mkdir(join(native.home, 'other'))
    await writeFile(join(native.home, 'one/gone'), '')
    await writeFile(join(native.home, 'other/come'), '')
    const action = async (...args: string[]) => ((await json('exec', ...args)) as { action: string }).action
    const one = await action('--input', 'one', '--output', 'a', '--timeout', '1m', '--', '/bin/sh', '-c', 'echo > a')
    const other = await action(
      ...['--input', 'other', '--output', 'b', '--env', 'NEW=1', '--property', 'OSFamily=linux'],
      ...['--', '/bin/sh', '-e', '-c', 'echo > b'],
    )
    const samples = [await json('diff', one, other), await json('diff', other, one), await json('diff', one, one)]
    // What is not known needs a client that keeps something back: diff.test.ts has one.
    const known = samples.map((sample) => ({ ...(sample as object), unknown: undefined }))
    const table = tableOf('`diff`')
    const rows = table.rows.filter(([field = '']) => !plain(field).startsWith('unknown[]'))
    expect(disagreements({ ...table, rows }, JSON.parse(JSON.stringify(known)))).toEqual([])
  })

  test('of image tag and image copy', async () => {
    await mkdir(join(native.home, 'texts'))
    await writeFile(join(native.home, 'texts/file'), 'content')
    const platforms = 'platforms: [linux/amd64, linux/arm64]\n'
    await writeFile(
      join(native.home, 'mine.yaml'),
      `name: mine\nbase: scratch\n${platforms}files: [{from: texts, to: /texts}]\n`,
    )
    const definition = ['--definition', 'mine.yaml']
    const tags = [await json('image', 'tag'), await json('image', 'tag', ...definition)]
    expect(disagreements(tableOf('`image tag`'), tags)).toEqual([])
    const copied = [
      await json('image', 'copy', ...definition, '--all', 'oci:image:v1'),
      await json('image', 'copy', ...definition, '--all', '--check'),
    ]
    expect(disagreements(tableOf('`image copy`'), copied)).toEqual([])
  })

  test('of a failure', async () => {
    const failed = [await json('ips', '--name', 'nobody'), await json('up', '--name', 'No Name')]
    expect(disagreements(tableOf('A failure'), failed)).toEqual([])
  })
})

test('what the servers count is what docs/metrics.md says', async () => {
  const documented = tables.find(({ heading }) => heading[0] === 'metric')?.rows ?? []
  const { servers } = (await json('status')) as ClusterStatus
  const counted = await Promise.all(
    servers.map(async ({ role, metrics }) => {
      const response = await fetch(`http://${metrics}/metrics`)
      return [...(await response.text()).matchAll(/^# HELP (native_\w+)/gm)].map(([, name]) => `${name} ${role}`)
    }),
  )
  expect(documented.map(([name, role]) => `${plain(name)} ${role}`).toSorted()).toEqual(counted.flat().toSorted())
})

/** What a cell has as code, in order. */
function words(cell: string): string[] {
  return [...cell.matchAll(/`([\w-]+)`/g)].map(([, word = '']) => word)
}

/** The words of a union of strings in the code. */
function union(code: string, pattern: RegExp): string[] {
  return [...(pattern.exec(code)?.[1] ?? '').matchAll(/'([\w-]+)'/g)].map(([, word = '']) => word)
}
