import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { execaSync } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, type Output, type Workdir } from '../fixture/real.ts'
import { selfSigned } from '../fixture/self-signed.ts'

let native: Native
let work: Workdir
/** `grpc://host:port` of the cache. */
let cache: string
let metrics: string
let tls: { readonly certificate: string; readonly key: string }

beforeAll(async () => {
  native = await createNative()
  work = createWorkdir()
  const config = join(work.path, 'deployment.yaml')
  tls = await selfSigned(work.path)
  writeFileSync(config, `workers: 0\ncas: { asset: { allow: [127.0.0.1, localhost], ca: ${tls.certificate} } }\n`)
  await native.ok('deploy', '--config', config)
  cache = JSON.parse((await native.ok('ips', '--json')).stdout).cache.url
  const { servers } = JSON.parse((await native.ok('status', '--json')).stdout)
  metrics = `http://${servers.find((each: { name: string }) => each.name === 'cas').metrics}/metrics`
})
afterAll(async () => {
  await native.dispose()
  await work.remove()
})

/** How often the cache has given this result. */
async function fetches(result: string): Promise<number> {
  const text = await (await fetch(metrics)).text()
  return Number(
    new RegExp(`^native_asset_fetches_total\\{kind="blob",result="${result}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0,
  )
}

describe.skipIf(!(await have('sid:bazel')))('Bazel 7.7.1 with --experimental_remote_downloader', () => {
  const asked: string[] = []
  const archive = () => readFileSync(join(work.path, 'lib.tar.gz'))
  const answer: RequestListener = (request, response) => {
    asked.push(request.url ?? '')
    if (request.url === '/moved/lib.tar.gz') response.writeHead(302, { location: '/lib.tar.gz' }).end()
    else if (request.url === '/lib.tar.gz') response.end(archive())
    else response.writeHead(404).end()
  }
  const servers: Server[] = []
  /** An archive of two places, the first of which has it not. */
  let httpArchive: (checksum: string) => string
  /** A file without a checksum, for which Bazel wants HTTPS. */
  let httpFile: (path: string) => string

  beforeAll(async () => {
    const lib = join(work.path, 'lib')
    mkdirSync(lib)
    const rule = 'genrule(name = "lib", srcs = ["text"], outs = ["out"], cmd = "cat $(SRCS) > $@")\n'
    for (const [name, text] of Object.entries({ WORKSPACE: '', BUILD: rule, text: 'from the archive\n' }))
      writeFileSync(join(lib, name), text)
    execaSync('tar', ['-czf', join(work.path, 'lib.tar.gz'), '-C', lib, '.'])
    const [cert, key] = [readFileSync(tls.certificate), readFileSync(tls.key)]
    const [plain, secure] = [createServer(answer), createTlsServer({ cert, key }, answer)]
    servers.push(plain, secure)
    const [port, securePort] = await Promise.all(servers.map(listening))
    const urls = ['absent.tar.gz', 'moved/lib.tar.gz'].map((path) => `"http://127.0.0.1:${port}/${path}"`)
    httpArchive = (checksum) => `http_archive(name = "lib", sha256 = "${checksum}", urls = [${urls.join(', ')}])`
    httpFile = (path) => `http_file(name = "lib", url = "https://localhost:${securePort}/${path}")`
  })
  afterAll(() => {
    for (const server of servers) server.close()
  })

  /** Builds a target of the repository in a checkout with an output base and a repository cache of its own. */
  async function build(name: string, repository: string, target: string): Promise<Output> {
    await work.copy('workspace', name)
    const rules = ['http_archive', 'http_file'].map(
      (rule) => `${rule} = use_repo_rule("@bazel_tools//tools/build_defs/repo:http.bzl", "${rule}")`,
    )
    appendFileSync(join(work.path, name, 'MODULE.bazel'), ['', ...rules, repository, ''].join('\n'))
    const flags = [
      `--remote_cache=${cache}`,
      `--experimental_remote_downloader=${cache}`,
      `--repository_cache=${join(work.path, `${name}-repositories`)}`,
    ]
    const bazel = (...args: string[]) => work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: name })
    try {
      return await bazel('build', ...flags, target)
    } finally {
      await bazel('shutdown')
    }
  }

  test('two checkouts download once, and the second needs no origin', async () => {
    const repository = httpArchive(createHash('sha256').update(archive()).digest('hex'))
    const first = await build('first', repository, '@lib//:lib')
    expect(first.exitCode, first.all).toBe(0)
    expect(asked.splice(0)).toEqual(['/absent.tar.gz', '/moved/lib.tar.gz', '/lib.tar.gz'])
    const second = await build('second', repository, '@lib//:lib')
    expect(second.exitCode, second.all).toBe(0)
    expect(asked).toEqual([])
    expect([await fetches('fetched'), await fetches('cached')]).toEqual([1, 1])
  })

  test('an archive with another checksum fails the build, and the reason is told', async () => {
    const ran = await build('third', httpArchive('ab'.repeat(32)), '@lib//:lib')
    expect(ran.exitCode).not.toBe(0)
    expect(ran.all).toContain('the content has another checksum')
  })

  test('without a checksum each checkout asks the origin, and what is not there fails the build', async () => {
    for (const name of ['fourth', 'fifth']) {
      const before = await fetches('fetched')
      const ran = await build(name, httpFile('lib.tar.gz'), '@lib//file')
      expect(ran.exitCode, ran.all).toBe(0)
      expect(await fetches('fetched')).toBe(before + 1)
    }
    const ran = await build('sixth', httpFile('absent'), '@lib//file')
    expect(ran.exitCode).not.toBe(0)
    expect(ran.all).toMatch(/NOT_FOUND: localhost:\d+ answers 404/)
  })
})

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}
