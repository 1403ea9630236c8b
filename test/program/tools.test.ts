import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native, root } from '../fixture/program.ts'

let native: Native
beforeAll(async () => {
  native = await createNative(['native', 'second'])
  await native.ok('deploy', '--slots', '3', '--property', 'container-image=docker://example.com/tools:1')
})
afterAll(() => native.dispose())

describe('native bazelrc', () => {
  const own = 'build --color=yes\n'
  const text = (name: string) => readFile(join(native.home, name), 'utf8')

  test('prints a block with the addresses, enough jobs, and the label that all workers have', async () => {
    const { cache, scheduler, console } = JSON.parse((await native.ok('ips', '--json')).stdout)
    const { stdout } = await native.ok('bazelrc')
    expect(stdout.split('\n').filter((line) => !line.startsWith('#'))).toEqual([
      `build:lre --remote_cache=${cache.url}`,
      `build:lre --remote_executor=${scheduler.url}`,
      'build:lre --remote_instance_name=main',
      'build:lre --jobs=8',
      'build:lre --remote_retries=10',
      'build:lre --remote_default_exec_properties=container-image=docker://example.com/tools:1',
      `build:lre --bes_backend=${console.url}`,
      `build:lre --bes_results_url=http://${console.address}/build/`,
      'build:lre --bes_upload_mode=fully_async',
      'build:lre --nobes_lifecycle_events',
      'build:lre --bes_timeout=60s',
    ])
  })

  test('writes it into a file once, whatever else the file has, and takes it out again', async () => {
    await writeFile(join(native.home, 'rc'), own)
    expect((await native.ok('bazelrc', '--write', 'rc')).stdout).toBe('rc now has --config=lre.')
    const once = await text('rc')
    expect(once.startsWith(own)).toBe(true)
    expect((await native.ok('bazelrc', '--write', 'rc')).stdout).toBe('rc has --config=lre.')
    expect(await text('rc')).toBe(once)
    expect((await native.ok('bazelrc', '--remove', 'rc')).stdout).toBe('Removed --config=lre from rc.')
    expect(await text('rc')).toBe(own)
    expect((await native.ok('bazelrc', '--remove', 'rc')).stdout).toBe('rc has no lines for this cluster.')
  })

  test('makes the file where there is none, not the folder', async () => {
    await native.ok('bazelrc', '--write', 'new')
    expect(await text('new')).toContain('build:lre ')
    const { exitCode, stderr } = await native.run('bazelrc', '--write', 'no/such/rc')
    expect(exitCode).toBe(3)
    expect(stderr).toContain('no/such/rc')
  })

  test('a block without its end is not guessed at', async () => {
    await native.ok('bazelrc', '--write', 'cut')
    await writeFile(join(native.home, 'cut'), (await text('cut')).replace(/# <<<.*\n/, ''))
    const { exitCode, stderr } = await native.run('bazelrc', '--write', 'cut')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('cut, line 1')
  })

  test('needs a cluster to write, and none to remove', async () => {
    expect((await native.run('bazelrc', '--name', 'second')).exitCode).toBe(3)
    expect((await native.run('bazelrc', '--name', 'second', '--remove', 'rc')).exitCode).toBe(0)
    expect((await native.run('bazelrc', '--write', 'rc', '--remove', 'rc')).exitCode).toBe(2)
  })
})

describe('native client', () => {
  const text = (name: string) => readFile(join(native.home, name), 'utf8')

  test('bazel prints what bazelrc prints', async () => {
    expect((await native.ok('client', 'bazel')).stdout).toBe((await native.ok('bazelrc')).stdout)
  })

  test('keeps a block in a file, whatever else it has, and takes it out again', async () => {
    await writeFile(join(native.home, 'ccache.conf'), 'max_size = 1G\n')
    const { cache } = JSON.parse((await native.ok('ips', '--json')).stdout)
    expect((await native.ok('client', 'ccache', '--write', 'ccache.conf')).stdout).toMatch(/^ccache.conf now has /)
    expect(await text('ccache.conf')).toContain(`\nremote_storage = http://${cache.address}/ccache\n`)
    expect((await native.ok('client', 'ccache', '--write', 'ccache.conf')).stdout).toMatch(/^ccache.conf has /)
    await native.ok('client', 'ccache', '--remove', 'ccache.conf')
    expect(await text('ccache.conf')).toBe('max_size = 1G\n')
  })

  test('a tool that is none is met with what was perhaps meant, and with all that there are', async () => {
    const { exitCode, stderr } = await native.run('client', 'cache')
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/"cache" is not one of bazel, .*ccache.*turbo/)
    expect(stderr).toMatch(/Did you mean .*ccache/)
  })

  test('needs no cluster where an address is given', async () => {
    const { stdout } = await native.ok('client', 'moon', '--address', 'build.example.com:50052')
    expect(stdout).toContain("\n  host: 'grpc://build.example.com:50052'\n")
    expect((await native.run('client', 'moon', '--name', 'second')).exitCode).toBe(3)
  })
})

describe('native example', () => {
  test('writes a workspace, dot files too, into a folder that is not there or empty', async () => {
    await mkdir(join(native.home, 'empty'))
    for (const name of ['hello', 'empty', 'a/b/c']) {
      await native.ok('example', name)
      const names = await readdir(join(native.home, name))
      expect(names).toEqual(expect.arrayContaining(['.bazelrc', '.gitignore', '.bazelignore', 'MODULE.bazel']))
      expect(names.filter((each) => each.startsWith('dot-'))).toEqual([])
    }
  })

  test('leaves a folder with something in it alone', async () => {
    const { exitCode, stderr } = await native.run('example', 'hello')
    expect(exitCode).toBe(5)
    expect(stderr).toContain('is not empty')
    expect((await native.run('example')).exitCode).toBe(2)
  })
})

describe('native doctor', () => {
  test('finds nothing wrong with this machine and the cluster', async () => {
    const { stdout } = await native.ok('doctor')
    expect(stdout).toMatch(/^ok {6}cluster +"native": 4 servers answer$/m)
    expect(stdout).toMatch(/^ok {6}node +\d+\.\d+\.\d+$/m)
  })

  test('names the cure for each line that is not ok', async () => {
    const { checks } = JSON.parse((await native.ok('doctor', '--name', 'second', '--json')).stdout)
    const notOk = checks.filter(({ state }: { state: string }) => state !== 'ok')
    expect(notOk.length).toBeGreaterThan(0)
    for (const each of notOk) expect(each).toMatchObject({ cure: expect.stringMatching(/\w/) })
    expect(checks.find(({ title }: { title: string }) => title === 'cluster')).toMatchObject({
      state: 'note',
      cure: expect.stringContaining('--name second'),
    })
  })

  test('ends with 5 when something is wrong', async () => {
    await native.ok('deploy', '--name', 'second', '--workers', '0')
    const { servers } = JSON.parse((await native.ok('status', '--name', 'second', '--json')).stdout)
    const { supervisor } = await recorded('second')
    process.kill(supervisor, 'SIGKILL')
    expect(servers.length).toBe(3)
    const { exitCode, stdout } = await native.run('doctor', '--name', 'second')
    expect(stdout).toMatch(/^FAILED {2}cluster +"second" is failed/m)
    expect(stdout).toMatch(/→ "native logs --name second" tells why/)
    expect(exitCode).toBe(5)
  })

  async function recorded(name: string): Promise<{ supervisor: number }> {
    const record = JSON.parse(await readFile(join(native.home, 'state/native', name, 'servers.json'), 'utf8'))
    return { supervisor: record.pid }
  }
})

describe('colours', () => {
  const status = (env: Record<string, string>) =>
    execa(process.execPath, [join(root, 'bin/run.js'), 'status'], { env, extendEnv: false, cwd: native.home })
  const escapeCode = String.fromCharCode(27)

  test('are for terminals, unless NO_COLOR or FORCE_COLOR says otherwise', async () => {
    const { NO_COLOR: _, ...env } = native.env
    expect((await status(env)).stdout).not.toContain(escapeCode)
    expect((await status({ ...env, FORCE_COLOR: '1' })).stdout).toContain(escapeCode)
    expect((await status({ ...env, NO_COLOR: '1' })).stdout).not.toContain(escapeCode)
  })
})
