import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runGradle, writeGradleProject } from '../fixture/gradle.ts'
import { freePort } from '../fixture/peers.ts'
import { createNative, type Native, root } from '../fixture/program.ts'
import { createWorkdir, have, type Workdir } from '../fixture/real.ts'

// Tools of HTTP with a cluster that wants a token: their settings are what `native client` wrote for somebody who has logged in.

let native: Native
let work: Workdir
/** `http://host:port` of the cache. */
let url: string
const tokens: Record<string, string> = {}

/** Runs the program as somebody else. */
async function as(name: string, args: readonly string[], input = ''): Promise<string> {
  const { stdout } = await execa(process.execPath, [join(root, 'bin/run.js'), ...args], {
    env: { ...native.env, XDG_CONFIG_HOME: join(work.path, 'settings', name) },
    extendEnv: false,
    input,
  })
  return stdout
}

beforeAll(async () => {
  native = await createNative()
  work = createWorkdir()
  await native.ok('deploy', '--access', 'team', '--workers', '0')
  const { cache, scheduler } = JSON.parse((await native.ok('ips', '--json')).stdout)
  url = `http://${cache.address}`
  for (const role of ['writer', 'runner', 'reader', 'worker']) {
    const made = await native.ok('token', 'create', '--name', role, '--role', role, '--json')
    tokens[role] = JSON.parse(made.stdout).token
    for (const each of [cache, scheduler]) await as(role, ['login', each.url], tokens[role])
  }
})
afterAll(async () => {
  await native.dispose()
  await work.remove()
})

describe.skipIf(!(await have('curl')))('curl', () => {
  const curl = async (...args: string[]) => (await work.host(['curl', '--silent', '--show-error', ...args])).stdout
  const hash = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
  /** What `hello`, put there by somebody, is answered with. */
  const put = (path: string, ...who: string[]) =>
    curl(
      ...who,
      '--request',
      'PUT',
      '--data',
      'hello',
      '--output',
      '/dev/null',
      '--write-out',
      '%{http_code}',
      url + path,
    )
  const get = (path: string, ...who: string[]) =>
    curl(...who, '--output', '/dev/null', '--write-out', '%{http_code}', url + path)
  const bearer = (role: string) => ['--header', `authorization: Bearer ${tokens[role]}`]
  const basic = (role: string) => ['--user', `anybody:${tokens[role]}`]

  test.each([
    ['Bearer', bearer],
    ['Basic', basic],
  ])('each role may do what the table says, as %s', async (_, who) => {
    const answers: Record<string, readonly string[]> = {}
    for (const role of ['writer', 'runner', 'reader', 'worker'])
      answers[role] = [
        await put(`/cas/${hash}`, ...who(role)),
        await put('/ccache/aa/key', ...who(role)),
        await get(`/cas/${hash}`, ...who(role)),
        await get('/ccache/aa/key', ...who(role)),
      ]
    expect(answers).toEqual({
      writer: ['200', '200', '200', '200'],
      runner: ['200', '403', '200', '200'],
      reader: ['403', '403', '200', '200'],
      worker: ['200', '403', '200', '403'],
    })
  })

  test('nobody is asked for credentials, and a wrong or a revoked token is told to be one', async () => {
    const none = await curl('--include', `${url}/cas/${hash}`)
    expect(none).toMatch(/^HTTP\/1\.1 401 /)
    expect(none).toMatch(/^www-authenticate: Basic realm="native".*Bearer realm="native"\r?$/im)
    expect(none).not.toContain('invalid_token')
    const wrong = await curl(
      '--include',
      '--header',
      `authorization: Bearer ${tokens['reader']?.slice(0, -4)}AAAA`,
      `${url}/cas/${hash}`,
    )
    expect(wrong).toMatch(/^HTTP\/1\.1 401 [\s\S]*error="invalid_token"/)
    const made = await native.ok('token', 'create', '--name', 'short', '--role', 'reader', '--json')
    tokens['short'] = JSON.parse(made.stdout).token
    expect(await get(`/cas/${hash}`, ...bearer('short'))).toBe('200')
    await native.ok('token', 'revoke', 'short')
    await expect.poll(() => get(`/cas/${hash}`, ...bearer('short')), { timeout: 5_000 }).toBe('401')
  })
})

describe.skipIf(!(await have('ccache')))('ccache', () => {
  test('a writer’s results are found by a reader, who cannot add to them and compiles all the same', async () => {
    const compile = async (who: string, machine: string, file: string) => {
      work.write(`ccache/${machine}/ccache.conf`, await as(who, ['client', 'ccache']))
      const folder = join(work.path, 'ccache', machine)
      const env = { CCACHE_DIR: folder, CCACHE_CONFIGPATH: join(folder, 'ccache.conf') }
      const run = (...argv: string[]) => work.host(['ccache', ...argv], { cwd: 'ccache', env })
      const ran = await run('gcc', '-c', file, '-o', 'out.o')
      expect(ran.exitCode, ran.all).toBe(0)
      return (await run('--print-stats')).stdout
    }
    work.write('ccache/a.c', 'int one(void) { return 1; }\n')
    work.write('ccache/b.c', 'int two(void) { return 2; }\n')
    expect(await compile('writer', 'one', 'a.c')).toMatch(/^remote_storage_write\t2$/m)
    expect(await compile('reader', 'two', 'a.c')).toMatch(/^remote_storage_hit\t1$/m)
    const refused = await compile('reader', 'three', 'b.c')
    expect(refused).toMatch(/^remote_storage_write\t0$/m)
    expect(await compile('writer', 'four', 'b.c')).toMatch(/^remote_storage_hit\t0$/m)
  })
})

describe.skipIf(!(await have('gradle')))('Gradle', () => {
  test('a writer’s outputs are found by a reader, who cannot add to them and builds all the same', async () => {
    writeGradleProject(work)
    const build = async (who: string, text: string) => {
      work.write('gradle/in.txt', text)
      const ran = await runGradle(work, who, await as(who, ['client', 'gradle']))
      expect(ran.exitCode, ran.all).toBe(0)
      expect(await readFile(join(work.path, 'gradle/build/out.txt'), 'utf8')).toBe(text.toUpperCase())
      return ran.all
    }
    expect(await build('writer', 'hello\n')).not.toContain('FROM-CACHE')
    expect(await build('reader', 'hello\n')).toContain(':upper FROM-CACHE')
    // Gradle says what it was answered with, and goes on without the cache.
    expect(await build('reader', 'other\n')).toContain('403')
    expect(await build('writer', 'other\n')).not.toContain('FROM-CACHE')
  })
})

describe.skipIf(!(await have('sid:sccache')))('sccache', () => {
  const compile = async (file: string, env: Record<string, string>) => {
    const script =
      'sccache --start-server && sccache gcc -c "$0" -o out.o && sccache --show-stats && sccache --stop-server'
    const port = String(await freePort())
    return work.chroot(['sh', '-c', script, file], { cwd: 'sccache', env: { SCCACHE_SERVER_PORT: port, ...env } })
  }
  const settingsOf = async (who: string): Promise<Record<string, string>> => {
    const { environment } = JSON.parse(await as(who, ['client', 'sccache', '--json']))
    return Object.fromEntries(environment.map(({ name, value }: { name: string; value: string }) => [name, value]))
  }

  test('a writer’s results are found by a reader over WebDAV', async () => {
    work.write('sccache/a.c', 'int one(void) { return 1; }\n')
    expect((await compile('a.c', await settingsOf('writer'))).all).toMatch(/^Cache misses +1$/m)
    const warm = await compile('a.c', await settingsOf('reader'))
    expect(warm.exitCode, warm.all).toBe(0)
    expect(warm.all).toMatch(/^Cache hits +1$/m)
  })

  test.each([
    ['unsigned', /this server needs credentials/, () => ({ SCCACHE_S3_NO_CREDENTIALS: 'true' })],
    // Signatures are not checked, so they prove nothing, whatever the key.
    [
      'signed',
      /neither \\?"Bearer/,
      () => ({ AWS_ACCESS_KEY_ID: 'native', AWS_SECRET_ACCESS_KEY: tokens['writer'] ?? '' }),
    ],
  ])('its S3 form, %s, is refused, and sccache says so', async (_, why, keys) => {
    work.write('sccache/b.c', 'int two(void) { return 2; }\n')
    const bucket = { SCCACHE_BUCKET: 'sccache', SCCACHE_ENDPOINT: url, SCCACHE_S3_USE_SSL: 'off' }
    const ran = await compile('b.c', { ...bucket, SCCACHE_REGION: 'auto', ...keys() })
    expect(ran.exitCode).not.toBe(0)
    expect(ran.all).toMatch(/service: s3/)
    expect(ran.all).toMatch(/status: 401/)
    expect(ran.all).toMatch(why)
  })
})
