import { Config } from '@oclif/core'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { exitCodes } from '../../src/cli/exit.ts'
import { clusterPaths } from '../../src/cluster/process/paths.ts'
import { renderServers } from '../../src/cluster/process/render.ts'
import { accessConfig } from '../../src/config/access.ts'
import { deploymentConfig } from '../../src/config/deployment.ts'
import { parseConfig } from '../../src/config/parse.ts'
import type { Role } from '../../src/config/servers.ts'
import { parseShare, parseSize, parseSpan } from '../../src/core/units.ts'
import { parseDefinition } from '../../src/image/definition.ts'
import { policyFileSchema } from '../../src/trust/policy-file.ts'
import { verdictExitCodes } from '../../src/trust/verdict.ts'
import { plain, readDocuments, type Table } from '../fixture/documents.ts'
import { root } from '../fixture/program.ts'
import { serverConfigs } from '../fixture/server-configs.ts'

const { blocks, tables, text } = await readDocuments()
const { commands } = await Config.load({ root })
const shown = commands.filter(({ hidden }) => !hidden)

function tableOf(section: string, firstHead: string): Table {
  const found = tables.find((each) => each.section === section && each.heading[0] === firstHead)
  if (!found) throw new Error(`no document has a table of "${firstHead}" under "${section}"`)
  return found
}

/** First column to second. */
const pairs = ({ rows }: Table) => new Map(rows.map(([key, value = '']) => [plain(key), value]))

test('every command has an example, and every example is of a command', () => {
  const lines = blocks.filter(({ language }) => language === 'sh').flatMap((each) => each.text.split('\n'))
  const ids = shown.map(({ id }) => id.replaceAll(':', ' '))
  const used = lines.flatMap((line) =>
    [...line.matchAll(/(?:^|[ (])native ([a-z][a-z-]*(?: [a-z]+)?)/g)].map(([, words = '']) => words),
  )
  const named = used.map((words) => ids.find((id) => words === id || words.split(' ')[0] === id) ?? words)
  const aliases = commands.flatMap((each) => each.aliases)
  const servers = ids.filter((id) => id.startsWith('serve '))
  expect(text).toContain('native serve cas|scheduler|worker|console --config')
  expect(new Set([...named, ...servers])).toEqual(new Set(ids.filter((id) => !aliases.includes(id))))
})

test('what is typed in a recorded session is what the program has', () => {
  const typed = blocks
    .filter(({ language }) => language === 'console')
    .flatMap((each) => each.text.split('\n'))
    .flatMap((line) => (line.startsWith('$ native ') ? [line.slice('$ native '.length).split(' -- ')[0] ?? ''] : []))
  expect(typed.length).toBeGreaterThan(5)
  for (const line of typed) {
    const words = line.split(' ')
    const command = shown
      .filter(({ id }) => words.slice(0, id.split(':').length).join(':') === id)
      .toSorted((a, b) => b.id.length - a.id.length)[0]
    const flags = words.flatMap((word) => (word.startsWith('--') ? [word.slice(2)] : []))
    expect({ line, command: command?.id, unknown: flags.filter((flag) => !command?.flags[flag]) }).toEqual({
      line,
      command: expect.any(String),
      unknown: [],
    })
  }
})

test('every flag that is named exists', () => {
  const known = new Set(
    commands.flatMap(({ flags }) =>
      Object.entries(flags).flatMap(([name, flag]) =>
        flag.type === 'boolean' && flag.allowNo ? [name, `no-${name}`] : [name],
      ),
    ),
  )
  const foreign = [
    ...['remote_cache', 'remote_executor', 'jobs', 'remote', 'version', 'help', 'project', 'global'],
    ...['no-git-tag-version', 'show-stats', 'clear', 'stats-log', 'stop-server'],
    ...['credential_helper', 'noremote_upload_local_results', 'noremote_accept_cached', 'remote_instance_name'],
    ...['experimental_remote_downloader', 'experimental_remote_downloader_local_fallback'],
    ...['digest_function', 'verbose_failures', 'tls_client_certificate', 'tls_client_key'],
    ...[
      'bes_backend',
      'bes_results_url',
      'bes_timeout',
      'bes_upload_mode',
      'nobes_lifecycle_events',
      'profile',
      'remote_header',
    ],
    'repository_cache',
    // of docker, and of systemd-run
    ...['init', 'stop-timeout', 'user', 'scope'],
    ...['experimental_remote_mark_tool_inputs', 'action_env'],
    ...['incompatible_strict_action_env', 'persistent_worker'],
    // of a program whose arguments are hidden
    'password',
  ]
  const named = [...text.matchAll(/--([a-z][a-z_-]+)/g)].map(([, name = '']) => name)
  expect(named.filter((name) => !known.has(name) && !foreign.includes(name))).toEqual([])
})

test('the exit codes are those of the code', () => {
  const rows = tableOf('Exit codes', 'code').rows
  const documented = rows.flatMap(([code, kinds = '']) => kinds.split(', ').map((kind) => [kind, Number(code)]))
  expect(Object.fromEntries(documented)).toEqual({ '-': 0, ...exitCodes })
})

test('the exit codes of verify are those of the code', () => {
  const answers = tables.find(({ heading }) => heading[0] === 'code' && heading[1] === 'answer')
  const documented = answers?.rows.map(([code, answer = '']) => [answer, Number(code)]) ?? []
  expect(Object.fromEntries(documented)).toEqual(verdictExitCodes)
})

test('the configuration examples are valid', () => {
  const schemas: Readonly<Record<string, (text: string) => unknown>> = {
    'access.yaml': (each) => parseConfig(each, 'docs/configuration.md', z.object({ access: accessConfig })),
    'cas.yaml': (each) => parseConfig(each, 'docs/commands.md', serverConfigs.cas),
    'ci.yaml': (each) => parseConfig(each, 'docs/team.md', deploymentConfig),
    'deployment.yaml': (each) => parseConfig(each, 'docs/configuration.md', deploymentConfig),
    'images.yaml': (each) => parseConfig(each, 'docs/sandbox.md', deploymentConfig),
    'mine.yaml': (each) => parseDefinition(each, 'docs/images.md'),
    'policy.yaml': (each) => parseConfig(each, 'docs/images.md', policyFileSchema),
    'toolchain.yaml': (each) => parseConfig(each, 'docs/sandbox.md', deploymentConfig),
  }
  const examples = blocks.filter(({ language }) => language === 'yaml')
  expect(examples.map(({ mark }) => mark).toSorted()).toEqual(Object.keys(schemas))
  for (const { mark, text: example } of examples) expect(() => schemas[mark]?.(example)).not.toThrow()
})

const minimal: Readonly<Record<Role, object>> = {
  cas: { listen: '127.0.0.1:0', store: { kind: 'disk', path: '/', size: 1e9 } },
  scheduler: { listen: '127.0.0.1:0', cas: 'grpc://127.0.0.1:1' },
  worker: { scheduler: 'grpc://127.0.0.1:1', cas: 'grpc://127.0.0.1:1', directory: '/' },
  console: { listen: '127.0.0.1:0', cas: 'grpc://127.0.0.1:1', path: '/' },
}

test.each(Object.keys(minimal) as Role[])('the settings of %s and their defaults are those of the schema', (role) => {
  const documented = new Map([...pairs(tableOf('Every server', 'key')), ...pairs(tableOf(role, 'key'))])
  const schema: unknown = z.toJSONSchema(serverConfigs[role], { io: 'input', unrepresentable: 'any' })
  const settings = settingsOf(schema as JsonSchema, true)
  expect([...documented.keys()].toSorted()).toEqual([...settings.keys()].toSorted())

  const parsed: unknown = serverConfigs[role].parse(minimal[role])
  for (const [key, required] of settings) {
    const cell = documented.get(key) ?? ''
    // The one difference: a worker answers health checks only, and may do without.
    if (role === 'worker' && key === 'listen') continue
    const value = key.split('.').reduce<unknown>((below, name) => (below as Record<string, unknown>)?.[name], parsed)
    if (required) expect(`${key}: ${cell}`).toBe(`${key}: required`)
    else if (value === undefined) expect(`${key}: ${cell}`).toBe(`${key}: none`)
    else expect({ [key]: meantBy(plain(cell), value) }).toEqual({ [key]: value })
  }
})

test('the settings of a deployment and their defaults are those of the code', () => {
  const documented = pairs(tableOf('A deployment', 'key'))
  expect([...documented.keys()].toSorted()).toEqual(Object.keys(deploymentConfig.shape).toSorted())
  const servers = renderServers({
    deployment: {},
    ports: {},
    paths: clusterPaths('native', { env: {}, home: '/home/me', tmp: '/tmp', uid: 1 }),
    machine: { platform: 'linux', arch: 'x64', cpus: 7 },
    secret: 'a secret',
    private: false,
    release: '',
  })
  const of = (role: Role) => servers.filter(({ spec }) => spec.role === role).map((each): unknown => parse(each.text))
  expect(of('worker')).toHaveLength(Number(documented.get('workers')))
  expect(of('cas')).toMatchObject([{ store: { size: parseSize(documented.get('cache_size') ?? '') } }])
  const [worker] = of('worker') as { slots: number; properties: Record<string, string> }[]
  expect(worker?.slots).toBe(7)
  const usual = Object.keys(worker?.properties ?? {}).filter((name) => name !== 'native:worker')
  expect(documented.get('properties')).toBe(usual.map((name) => `\`${name}\``).join(', '))
})

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly oneOf?: readonly JsonSchema[]
}

/** Each setting by its path, and whether it has to be there. */
function settingsOf(schema: JsonSchema, required: boolean, prefix = ''): Map<string, boolean> {
  const entries = (schema.oneOf ?? [schema]).flatMap((each) =>
    Object.entries(each.properties ?? {}).flatMap(([name, below]): [string, boolean][] => {
      const isRequired = required && (each.required ?? []).includes(name)
      const path = prefix + name
      return below.properties || below.oneOf ? [...settingsOf(below, isRequired, `${path}.`)] : [[path, isRequired]]
    }),
  )
  return new Map(entries)
}

/** What a cell means where the schema has a value like this. */
function meantBy(cell: string, like: unknown): unknown {
  const value: unknown = parse(cell)
  if (typeof like !== 'number' || typeof value !== 'string') return value
  if (value.endsWith('%')) return parseShare(value)
  return value.endsWith('B') ? parseSize(value) : parseSpan(value)
}
