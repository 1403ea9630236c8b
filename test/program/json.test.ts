import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClusterStatus } from '../../src/cluster/driver.ts'
import { createNative, type Native, root } from '../fixture/program.ts'
import { plain, readReadme, type Table } from '../fixture/readme.ts'
import { disagreements } from '../fixture/shape.ts'

// README.md says what --json prints, field by field, and what the servers count: both held
// against the program, both ways.

const { tables } = await readReadme()

function tableOf(start: string): Table {
  const found = tables.find(({ section, title }) => section === 'JSON' && title.startsWith(start))
  if (!found) throw new Error(`README.md has no table of fields under "${start}"`)
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

describe('what --json prints is what README.md says', () => {
  test('of status, up, deploy and down', async () => {
    const absent = await json('status', '--name', 'nobody')
    const samples = [absent, await json('status'), await json('up'), await json('deploy')]
    expect(disagreements(tableOf('`status`'), [...samples, await json('down', '--name', 'nobody')])).toEqual([])
  })

  test('of the states of a cluster and of its servers', async () => {
    const code = await readFile(join(root, 'src/cluster/driver.ts'), 'utf8')
    const states = new Map(tableOf('`status`').rows.map(([field, , meaning = '']) => [plain(field), words(meaning)]))
    expect(states.get('state')).toEqual(union(code, /type ClusterState = (.*)/))
    expect(states.get('servers[].state')).toEqual(union(code, /readonly state: ('starting'.*)/))
    expect(states.get('servers[].role')).toEqual(union(code, /readonly role: (.*)/))
    expect(states.get('driver')).toEqual(union(code, /type DriverKind = (.*)/))
  })

  test('of ips', async () => {
    expect(disagreements(tableOf('`ips`'), [await json('ips')])).toEqual([])
  })

  test('of logs', async () => {
    const { stdout } = await native.ok('logs', '-n', '2', '--json')
    const lines = stdout.split('\n').map((line): unknown => JSON.parse(line))
    expect(disagreements(tableOf('`logs`'), lines)).toEqual([])
  })

  test('of doctor', async () => {
    expect(disagreements(tableOf('`doctor`'), [await json('doctor')])).toEqual([])
  })

  test('of bazelrc', async () => {
    const samples = [
      await json('bazelrc'),
      await json('bazelrc', '--write', 'rc'),
      await json('bazelrc', '--remove', 'rc'),
    ]
    expect(disagreements(tableOf('`bazelrc`'), samples)).toEqual([])
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

test('what the servers count is what README.md says', async () => {
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
