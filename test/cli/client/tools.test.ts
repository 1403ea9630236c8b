import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execaSync } from 'execa'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { removeBlock, writeBlock } from '../../../src/cli/client/keep.ts'
import { clientText } from '../../../src/cli/client/text.ts'
import type { ClientFacts } from '../../../src/cli/client/tool.ts'
import { clientToolNames, clientToolOf } from '../../../src/cli/client/tools.ts'

const facts: ClientFacts = {
  cluster: 'native',
  addresses: {
    cache: { address: '127.0.0.1:1001', url: 'grpc://127.0.0.1:1001' },
    scheduler: { address: '127.0.0.1:1002', url: 'grpc://127.0.0.1:1002' },
  },
  program: ['/opt/no de/bin/node', '/opt/native/bin/run.js'],
  helper: async () => '/helper',
}
const credentials = { token: 'native_secret', file: async () => '/token-file' }
/** Those whose settings need no server to be asked. */
const tools = clientToolNames.filter((name) => name !== 'bazel').map(clientToolOf)
const environments = tools.filter(({ format }) => format === 'environment')
/** Content that each file may have beside the block. */
const others: Readonly<Record<string, string>> = {
  buck2: '[project]\nignore = .git\n',
  buildstream: 'scheduler:\n  builders: 2\n',
  ccache: 'max_size = 5G\n',
  gradle: 'println "mine"\n',
  moon: "projects:\n  - 'apps/*'\n",
  pants: '[python]\ninterpreter_constraints = ["==3.11.*"]\n',
}

/** The same cluster with TLS. */
function secure(tls?: object): ClientFacts {
  const endpoint = (port: number) => ({
    address: `127.0.0.1:${port}`,
    url: `grpcs://127.0.0.1:${port}`,
    ...(tls && { tls }),
  })
  return { ...facts, addresses: { cache: endpoint(1001), scheduler: endpoint(1002) } }
}

describe.each(tools.map((tool) => [tool.name, tool] as const))('%s and TLS', (name, tool) => {
  const text = (given: ClientFacts) =>
    clientText(tool, given).then(
      ({ block }) => block,
      (error) => error,
    )
  const refused = expect.objectContaining({ kind: 'unimplemented', message: expect.stringContaining(`${name} `) })

  test('is told of it, of an authority and of a certificate, or refuses what it cannot be told', async () => {
    const plain = await text(secure())
    if (tool.tls === 'none') expect(plain).toEqual(refused)
    else expect(plain).not.toMatch(/allowInsecureProtocol|no_security=true|tls = false|(?<!grpc|http)http:/)
    const own = await text(secure({ ca: '/ca.pem' }))
    if (tool.tls === 'none' || tool.tls === 'system') {
      expect(own).toEqual(refused)
      expect(own.next.join().includes('SSL_CERT_FILE=/ca.pem')).toBe(tool.readsSslCertFile === true)
    } else expect(own).toMatch(/\/ca\.pem/)
    const both = await text(secure({ ca: '/ca.pem', cert: '/client.pem', key: '/client.key' }))
    if (tool.tls === 'certificate') for (const file of [/\/client\.pem/, /\/client\.key/]) expect(both).toMatch(file)
    else expect(both).toEqual(refused)
  })
})

describe.each(tools.map((tool) => [tool.name, tool] as const))('%s and a token', (name, tool) => {
  const carried = /native_secret|\/helper|\/token-file|NATIVE_CACHE_TOKEN|cacheprog/

  test.each([
    ['without TLS', { ...facts, credentials }, tool.sendsToken === true],
    ['over TLS', { ...secure(), credentials }, tool.sendsToken !== undefined && tool.tls !== 'none'],
  ])('%s, is told of it, or refuses', async (_, given, isTold) => {
    const text = await clientText(tool, given).then(
      ({ block }) => block,
      (error) => error,
    )
    if (isTold) expect(text).toMatch(carried)
    else expect(text).toMatchObject({ kind: 'unimplemented', message: expect.stringContaining(name) })
  })
})

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'native-client-'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

describe.each(tools.map((tool) => [tool.name, tool] as const))('%s', (name, tool) => {
  test('says of every setting what it is for, and how to undo all', async () => {
    const { block } = await clientText(tool, facts)
    const lines = block.trimEnd().split('\n')
    const sign = tool.format === 'file' ? tool.comment : '#'
    expect(lines[0]).toBe(`${sign} >>> native: cluster native, ${name} (kept by "native client ${name} --write") >>>`)
    expect(lines[1]).toContain(`\`native client ${name} --remove FILE\``)
    expect(lines.at(-1)).toBe(`${sign} <<< native: cluster native, ${name} <<<`)
    const settings = lines.filter((line) => !line.startsWith(sign))
    const comments = lines.filter((line) => line.startsWith(`${sign} `)).length - 3
    expect(settings.length).toBeGreaterThan(0)
    expect(comments).toBeGreaterThanOrEqual(1)
  })

  test('a file keeps all else, takes it once, and gets it out again', async () => {
    const file = join(folder, 'conf')
    const own = others[name] ?? '# mine\n'
    await writeFile(file, own)
    const { block } = await clientText(tool, facts)
    expect(await writeBlock(tool, file, 'native', block)).toBe(true)
    expect(await writeBlock(tool, file, 'native', block)).toBe(false)
    expect(await readFile(file, 'utf8')).toBe(own + block)
    expect(await removeBlock(tool, file, 'native')).toBe(true)
    expect(await readFile(file, 'utf8')).toBe(own)
  })
})

describe.each(environments.map((tool) => [tool.name, tool] as const))('%s in a shell', (_, tool) => {
  test.each(['sh', 'bash'])('%s has the variables, and unset takes them back', async (shell) => {
    const { block, environment: list } = await clientText(tool, facts)
    const environment = Object.fromEntries(list.map((each) => [each.name, each.value]))
    const unset = /unset ([\w ]+);/.exec(block)?.[1] ?? ''
    expect(unset.split(' ')).toEqual(Object.keys(environment))
    const script = 'eval "$BLOCK"; env -0 > before; unset $NAMES; env -0 > after'
    execaSync(shell, ['-euc', script], {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', BLOCK: block, NAMES: unset },
      extendEnv: false,
    })
    const variables = async (file: string) =>
      Object.fromEntries(
        (await readFile(join(folder, file), 'utf8'))
          .split('\0')
          .map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]),
      )
    expect(await variables('before')).toMatchObject(environment)
    for (const name of Object.keys(environment)) expect(await variables('after')).not.toHaveProperty(name)
  })
})

describe('what tools need to be told', () => {
  const lines = async (name: string, given = facts) =>
    (await clientText(clientToolOf(name), given)).block.split('\n').filter((line) => !/^(#|\/\/)/.test(line))

  test('those of HTTP have the paths of the cache', async () => {
    expect(await lines('ccache')).toContain('remote_storage = http://127.0.0.1:1001/ccache')
    expect((await lines('gradle')).join('\n')).toContain("url = 'http://127.0.0.1:1001/gradle/'")
    expect(await environmentOf('sccache')).toEqual({ SCCACHE_WEBDAV_ENDPOINT: 'http://127.0.0.1:1001/sccache/' })
    expect(await environmentOf('turbo')).toMatchObject({ TURBO_API: 'http://127.0.0.1:1001' })
    expect(await environmentOf('nx')).toMatchObject({ NX_SELF_HOSTED_REMOTE_CACHE_SERVER: 'http://127.0.0.1:1001' })
  })

  test('YAML is what its readers expect, also beside other content', async () => {
    const moon = parse(others['moon'] + (await clientText(clientToolOf('moon'), facts)).block)
    expect(moon).toEqual({
      projects: ['apps/*'],
      remote: { host: 'grpc://127.0.0.1:1001', api: 'grpc', cache: { instanceName: 'main' } },
    })
    const buildstream = parse((await clientText(clientToolOf('buildstream'), facts)).block)
    const servers = [{ url: 'http://127.0.0.1:1002', 'instance-name': 'main', push: true }]
    expect(buildstream).toEqual({ artifacts: { servers }, 'source-caches': { servers } })
  })

  test('with TLS and a token, YAML has both where its readers look', async () => {
    const given = { ...secure({ ca: '/ca.pem' }), credentials }
    const moon = parse((await clientText(clientToolOf('moon'), given)).block)
    expect(moon.remote).toMatchObject({ tls: { cert: '/ca.pem' }, auth: { token: 'NATIVE_CACHE_TOKEN' } })
    const buildstream = parse((await clientText(clientToolOf('buildstream'), given)).block)
    for (const part of ['artifacts', 'source-caches'])
      expect(buildstream[part].servers[0].auth).toEqual({ 'server-cert': '/ca.pem', 'access-token': '/token-file' })
  })

  test('the go command gets a program with blanks in its path as one word', async () => {
    expect(await environmentOf('go')).toEqual({
      GOCACHEPROG: "'/opt/no de/bin/node' /opt/native/bin/run.js cacheprog --address 127.0.0.1:1001",
    })
  })

  test('a Gateway without a port is one of port 80, for those who add none', async () => {
    const gateway = { address: '172.18.0.9', url: 'grpc://172.18.0.9' }
    const addresses = { cache: gateway, scheduler: gateway }
    expect(await environmentOf('siso', { ...facts, addresses })).toMatchObject({ SISO_REAPI_ADDRESS: '172.18.0.9:80' })
  })

  test('each cluster has its own block', async () => {
    const file = join(folder, 'conf')
    const tool = clientToolOf('ccache')
    for (const cluster of ['one', 'two'])
      await writeBlock(tool, file, cluster, (await clientText(tool, { ...facts, cluster })).block)
    await removeBlock(tool, file, 'one')
    expect(await readFile(file, 'utf8')).toBe((await clientText(tool, { ...facts, cluster: 'two' })).block)
  })
})

test.each([
  ['ccache', '.config/ccache/ccache.conf'],
  ['gradle', '.gradle/init.d/native.gradle'],
])('the folder where %s looks by itself is made, and no other', async (name, place) => {
  vi.stubEnv('HOME', folder)
  const tool = clientToolOf(name)
  const { block } = await clientText(tool, facts)
  await expect(writeBlock(tool, join(folder, 'slip', place), 'native', block)).rejects.toMatchObject({
    kind: 'not-found',
  })
  expect(await writeBlock(tool, join(folder, place), 'native', block)).toBe(true)
  expect(await readFile(join(folder, place), 'utf8')).toBe(block)
})

describe('a file that cannot take it is refused, and left as it was', () => {
  const attempt = async (name: string, file: string, text: string) => {
    const tool = clientToolOf(name)
    await writeFile(join(folder, file), text)
    const failure = await writeBlock(tool, join(folder, file), 'native', (await clientText(tool, facts)).block).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(await readFile(join(folder, file), 'utf8')).toBe(text)
    return failure
  }

  test.each([
    ['pants', 'pants.toml', '[GLOBAL]\npants_version = "2.30"\n', /\[GLOBAL\]/],
    ['pants', 'pants.toml', 'GLOBAL.pants_version = "2.30"\n', /\[GLOBAL\]/],
    ['moon', 'workspace.yml', 'remote:\n  host: x\n', /"remote"/],
    ['moon', 'workspace.yml', '"remote" : {}\n', /"remote"/],
    ['buildstream', 'buildstream.conf', 'source-caches: {}\n', /"source-caches"/],
    ['moon', 'workspace.json', '{}\n', /JSON/],
    ['gradle', 'init.gradle.kts', '\n', /Kotlin/],
    ['turbo', 'turbo.json', '{}\n', /JSON/],
  ])('%s into %s', async (name, file, text, message) => {
    expect(await attempt(name, file, text)).toMatchObject({ kind: 'invalid', message: expect.stringMatching(message) })
  })

  test.each([
    ['moon', 'projects:\n  - remote: x\n'],
    ['pants', '# [GLOBAL]\n[python]\n'],
  ])('and %s takes what only looks like it', async (name, text) => {
    const tool = clientToolOf(name)
    await writeFile(join(folder, 'conf'), text)
    expect(await writeBlock(tool, join(folder, 'conf'), 'native', (await clientText(tool, facts)).block)).toBe(true)
  })
})

async function environmentOf(name: string, given = facts): Promise<Record<string, string>> {
  const { environment } = await clientText(clientToolOf(name), given)
  return Object.fromEntries(environment.map((each) => [each.name, each.value]))
}
