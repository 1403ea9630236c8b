import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runGradle, writeGradleProject } from '../fixture/gradle.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, npmModules, type Workdir } from '../fixture/real.ts'

let native: Native
let work: Workdir
/** `http://host:port` of the cache. */
let url: string
let schedulerUrl: string

beforeAll(async () => {
  native = await createNative()
  work = createWorkdir()
  await native.ok('deploy', '--workers', '0')
  const { cache, scheduler } = JSON.parse((await native.ok('ips', '--json')).stdout)
  url = `http://${cache.address}`
  schedulerUrl = `http://${scheduler.address}`
})
afterAll(async () => {
  await native.dispose()
  await work.remove()
})

/** What `native client` prints for a tool that reads its environment. */
async function environmentOf(tool: string): Promise<Record<string, string>> {
  const { stdout } = await native.ok('client', tool)
  const pairs = [...stdout.matchAll(/^export (\w+)='?([^'\n]*)'?$/gm)]
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, value]))
}

test('the port of the scheduler, asked over HTTP, names the address of the cache', async () => {
  const answer = await fetch(`${schedulerUrl}/cas/${'ab'.repeat(32)}`)
  expect([answer.status, await answer.text()]).toEqual([421, expect.stringContaining(`HTTP at ${url}`)])
})

const rc4 = ['--noworkspace_rc', '--bazelrc=bazel4/bazelrc']
const blake3 = ['--digest_function=BLAKE3']

describe.each([
  { version: '7.7.1', program: 'sid:bazel', folder: 'ws7', path: '', startup: [] },
  { version: '7.7.1 with BLAKE3', program: 'sid:bazel', folder: 'wsb', path: '/blake3', startup: blake3 },
  { version: '4.2.3', program: 'bazel', folder: 'ws4', path: '', startup: rc4 },
])('Bazel $version', async ({ program, folder, path, startup }) => {
  const there = await have(program)
  const inSid = program.startsWith('sid:')
  const bazel = (...args: string[]) =>
    (inSid ? work.chroot : work.host)(['bazel', '--max_idle_secs=60', ...startup, ...args], { cwd: folder })

  test.skipIf(!there)('finds over HTTP what another build has left there', async () => {
    await work.copy('workspace', folder)
    const build = [
      'build',
      `--remote_cache=${url}${path}`,
      `--action_env=SALT=${folder}`,
      '//gen:upper',
      '//gen:big',
      '//cc:greet',
    ]
    try {
      const cold = await bazel(...build)
      expect(cold.exitCode, cold.all).toBe(0)
      expect(cold.all).not.toMatch(/remote cache hit/)
      await bazel('clean')
      const warm = await bazel(...build)
      expect(warm.exitCode, warm.all).toBe(0)
      expect(warm.all).toMatch(/\d+ remote cache hit/)
      // Nothing of it was run again.
      expect(warm.all).not.toMatch(/\d+ (linux-sandbox|processwrapper-sandbox|local)\b/)
    } finally {
      await bazel('shutdown')
    }
  })
})

describe.each([
  { origin: 'this Debian', program: 'ccache', there: await have('ccache') },
  { origin: 'Debian sid', program: 'sid:ccache', there: await have('sid:ccache') },
])('ccache of $origin', ({ program, there }) => {
  const inSid = program.startsWith('sid:')

  test.skipIf(!there).each(['subdirs', 'flat', 'bazel'])(
    'layout %s: what one machine compiled another finds',
    async (layout) => {
      const cwd = `ccache-${inSid ? 'sid' : 'host'}-${layout}`
      work.write(`${cwd}/a.c`, `int answer(void) { return ${inSid ? 1 : 2}; }\n`)
      const settings = (await native.ok('client', 'ccache')).stdout.replace(
        /^(remote_storage = .*)$/m,
        `$1|layout=${layout}`,
      )
      expect(settings).toContain(`${url}/ccache|layout`)
      const counts = async (machine: string) => {
        work.write(`${cwd}/${machine}/ccache.conf`, settings)
        const env = {
          CCACHE_DIR: join(work.path, cwd, machine),
          CCACHE_CONFIGPATH: join(work.path, cwd, machine, 'ccache.conf'),
        }
        const run = (...argv: string[]) => (inSid ? work.chroot : work.host)(['ccache', ...argv], { cwd, env })
        const ran = await run('gcc', '-c', 'a.c', '-o', 'a.o')
        expect(ran.exitCode, ran.all).toBe(0)
        return (await run('--print-stats')).stdout
      }
      expect(await counts('one')).toMatch(/^remote_storage_write\t2$/m)
      expect(await counts('two')).toMatch(/^remote_storage_hit\t1$/m)
    },
  )
})

/** As docs/clients.md has it: paths begin with the name of the bucket. */
function asBucket(): Record<string, string> {
  const bucket = { SCCACHE_BUCKET: 'sccache', SCCACHE_ENDPOINT: url, SCCACHE_S3_USE_SSL: 'off' }
  return { ...bucket, SCCACHE_REGION: 'auto', SCCACHE_S3_NO_CREDENTIALS: 'true' }
}

describe.skipIf(!(await have('sid:sccache')))('sccache', () => {
  test.each(['webdav', 's3'])('keeps results by %s, and finds them', async (protocol) => {
    work.write('sccache/a.c', `char answer[] = "${protocol}";\n`)
    const script = [
      'sccache --start-server && sccache gcc -c a.c -o one.o && sccache --stop-server',
      'sccache --start-server && sccache gcc -c a.c -o two.o && sccache --show-stats && sccache --stop-server',
      'cmp one.o two.o',
    ].join(' && ')
    const settings = protocol === 's3' ? asBucket() : await environmentOf('sccache')
    const env = { ...settings, SCCACHE_SERVER_PORT: '47112', SCCACHE_IDLE_TIMEOUT: '60' }
    const ran = await work.chroot(['sh', '-c', script], { cwd: 'sccache', env })
    expect(ran.exitCode, ran.all).toBe(0)
    expect(ran.stdout).toMatch(/^Cache hits +1$/m)
    expect(ran.stdout).toMatch(new RegExp(`^Cache location +${protocol}`, 'm'))
  })
})

describe.skipIf(!(await have('gradle')))('Gradle', () => {
  test('takes the outputs of a task from the cache', async () => {
    writeGradleProject(work)
    work.write('gradle/in.txt', 'hello\n')
    const settings = (await native.ok('client', 'gradle')).stdout
    const cold = await runGradle(work, 'home', settings)
    expect(cold.exitCode, cold.all).toBe(0)
    expect(cold.all).not.toContain('FROM-CACHE')
    expect((await runGradle(work, 'home', settings)).all).toContain(':upper FROM-CACHE')
    expect(await readFile(join(work.path, 'gradle/build/out.txt'), 'utf8')).toBe('HELLO\n')
  })
})

/** A workspace of one npm package whose build can be told apart from an earlier one. */
function npmWorkspace(folder: string, files: Record<string, object>): void {
  const all = {
    'package.json': { name: 'root', private: true, packageManager: 'npm@10.0.0', workspaces: ['pkg'] },
    'pkg/package.json': {
      name: 'pkg',
      version: '1.0.0',
      scripts: { build: 'mkdir -p dist && date +%s%N > dist/out.txt' },
    },
    'package-lock.json': {
      name: 'root',
      lockfileVersion: 3,
      requires: true,
      packages: {
        '': { name: 'root', workspaces: ['pkg'] },
        'node_modules/pkg': { resolved: 'pkg', link: true },
        pkg: { version: '1.0.0' },
      },
    },
    ...files,
  }
  for (const [path, value] of Object.entries(all)) work.write(`${folder}/${path}`, JSON.stringify(value))
  work.write(`${folder}/.gitignore`, 'dist\n.turbo\n.nx\nnode_modules\n')
}

const nodePath = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin` }

describe.skipIf(!(await have('npm:turbo')))('Turborepo', () => {
  test('replays a task that ran elsewhere', async () => {
    npmWorkspace('turbo', { 'turbo.json': { tasks: { build: { outputs: ['dist/**'] } } } })
    await work.host(['git', 'init', '-q', '.'], { cwd: 'turbo' })
    const env = { ...nodePath, ...(await environmentOf('turbo')), TURBO_TELEMETRY_DISABLED: '1' }
    const build = () =>
      work.host([join(npmModules, '.bin/turbo'), 'run', 'build', '--no-daemon'], { cwd: 'turbo', env })
    const cold = await build()
    expect(cold.exitCode, cold.all).toBe(0)
    expect(cold.all).toMatch(/0 cached, 1 total/)
    const made = await readFile(join(work.path, 'turbo/pkg/dist/out.txt'), 'utf8')
    for (const each of ['pkg/dist', '.turbo', 'node_modules/.cache', 'pkg/.turbo'])
      await rm(join(work.path, 'turbo', each), { recursive: true, force: true })
    expect((await build()).all).toMatch(/1 cached, 1 total/)
    expect(await readFile(join(work.path, 'turbo/pkg/dist/out.txt'), 'utf8')).toBe(made)
  })
})

describe.skipIf(!(await have('npm:nx')))('Nx', () => {
  test('takes the outputs of a task that ran elsewhere', async () => {
    npmWorkspace('nx', {
      'nx.json': {
        analytics: false,
        neverConnectToCloud: true,
        targetDefaults: { build: { cache: true, outputs: ['{projectRoot}/dist'] } },
      },
    })
    mkdirSync(join(work.path, 'nx/node_modules'))
    for (const name of readdirSync(npmModules))
      if (!name.startsWith('.package')) symlinkSync(join(npmModules, name), join(work.path, 'nx/node_modules', name))
    await work.host(['git', 'init', '-q', '.'], { cwd: 'nx' })
    const build = async (machine: string) => {
      const own = (name: string) => join(work.path, `nx-${machine}`, name)
      const env = {
        ...nodePath,
        ...(await environmentOf('nx')),
        CI: 'true',
        NX_DAEMON: 'false',
        NX_TUI: 'false',
        NX_CACHE_DIRECTORY: own('cache'),
        NX_WORKSPACE_DATA_DIRECTORY: own('data'),
      }
      return work.host([join(npmModules, '.bin/nx'), 'run', 'pkg:build'], { cwd: 'nx', env })
    }
    const cold = await build('one')
    expect(cold.exitCode, cold.all).toBe(0)
    const made = await readFile(join(work.path, 'nx/pkg/dist/out.txt'), 'utf8')
    await rm(join(work.path, 'nx/pkg/dist'), { recursive: true })
    expect((await build('two')).all).toMatch(/read the output from the cache/)
    expect(await readFile(join(work.path, 'nx/pkg/dist/out.txt'), 'utf8')).toBe(made)
  })
})
