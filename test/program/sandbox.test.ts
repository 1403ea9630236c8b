import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { writeLayout } from '../fixture/image.ts'
import { imageOf, layerOf, shellEntries } from '../fixture/layers.ts'
import { createNative, type Native, root } from '../fixture/program.ts'

let native: Native
const exec = (...args: string[]) => native.run('exec', ...args)

beforeAll(async () => {
  native = await createNative()
  await mkdir(join(native.home, '.config/tool'), { recursive: true })
  await writeFile(join(native.home, '.config/tool/settings'), 'level=3\n')
})
afterAll(() => native.dispose())

describe.runIf(process.platform === 'linux')('deploy --sandbox on', () => {
  beforeAll(async () => {
    const settings = { worker: { network: 'allowed', limits: { memory: '64MiB', file: '1MiB' } } }
    await writeFile(join(native.home, 'settings.yaml'), stringify(settings))
    await native.ok('deploy', '--sandbox', 'on', '--config', 'settings.yaml')
  })

  test('an action finds its inputs, and nothing of the user', async () => {
    const { stdout } = await exec('--input', '.config/tool', '--', 'sh', '-c', 'pwd; cat settings; ls -A / /home /root')
    expect(stdout).toMatch(/^\/build\/root\nlevel=3\n/)
    expect(stdout).toMatch(/\/home:\n\n\/root:$/)
  })

  test('a program that is only on the machine is told as such', async () => {
    const { exitCode, stderr } = await exec('--', process.execPath, '--version')
    expect(exitCode).toBe(127)
    expect(stderr).toContain('is on the worker, but its sandbox does not show it')
  })

  test('the network is for actions that ask for it', async () => {
    const { stdout } = await native.run('ips')
    const port = /Cache IP: \S+:(\d+)/.exec(stdout)?.[1]
    const connects = `perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new("127.0.0.1:${port}")'`
    expect((await exec('--', 'sh', '-c', connects)).exitCode).not.toBe(0)
    expect((await exec('--property', 'network=on', '--', 'sh', '-c', connects)).exitCode).toBe(0)
  })

  test.each([
    ['memory', 137, `exec perl -e '$x = "x" x (200 * 1024 * 1024)'`, /took more memory than its limit of 64 MiB/],
    ['a signal', 139, 'kill -SEGV $$', /exit code 139 stands for SIGSEGV/],
    ['the size of a file', 153, 'exec head -c 3000000 /dev/zero > file', /a file of more than its limit of 1\.0 MiB/],
  ])('an action that failed for %s says so, with what it wrote', async (what, code, script, cause) => {
    const { exitCode, stdout, stderr } = await exec('--', 'sh', '-c', `echo first; ${script}`)
    // Where no cgroup is to be had, the allocation fails in place of the process.
    const byCgroup = what !== 'memory' || stderr.includes('was killed')
    if (byCgroup) expect([exitCode, stderr]).toEqual([code, expect.stringMatching(cause)])
    expect(exitCode).not.toBe(0)
    expect(stdout).toBe('first')
  })

  test.runIf(existsSync('/usr/bin/strace'))('--explain-missing names what was not declared', async () => {
    const settings = join(native.home, '.config/tool/settings')
    const { exitCode, stderr } = await exec('--explain-missing', '--', 'cat', settings, '/no/such/file')
    expect(exitCode).toBe(1)
    expect(stderr).toContain(`native: it looked for ${settings}, which is on this machine and not an input`)
    expect(stderr).not.toContain('it looked for /no')
  })

  test('with --worker-image, actions have the programs of the image', async () => {
    const layout = join(native.home, 'layout')
    await writeLayout(layout, imageOf([await layerOf(shellEntries())]))
    const { stderr: steps } = await native.ok('deploy', '--worker-image', `oci:${layout}`)
    expect(steps).toContain(`actions run in oci:${layout}`)
    const ran = await exec('--', 'sh', '-c', 'echo /bin/*')
    expect(ran.stdout).toBe('/bin/cat /bin/sh')
    expect(ran.stderr).toContain(`native: it ran in oci:${layout}`)
    const { stderr } = await exec('--', 'perl', '-v')
    expect(stderr).toContain('native worker: cannot run "perl"')
    expect((await native.run('deploy', '--sandbox', 'off')).stderr).toContain('--worker-image none')
  })

  test('off shows all of it again', async () => {
    const { stderr: steps } = await native.ok('deploy', '--sandbox', 'off', '--worker-image', 'none')
    expect(steps).toContain('actions run without an image')
    const { stdout } = await exec('--', 'cat', join(native.home, '.config/tool/settings'))
    expect(stdout).toBe('level=3')
  })
})

describe.runIf(process.platform === 'linux')('where no sandbox can be made', () => {
  /** A worker in a namespace that may hold no more namespaces of mounts, and what it logged before it ended. */
  async function worker(sandbox: 'on' | 'auto') {
    const file = join(native.home, `${sandbox}.yaml`)
    const nobody = 'grpc://127.0.0.1:1'
    await writeFile(file, stringify({ scheduler: nobody, cas: nobody, directory: join(native.home, sandbox), sandbox }))
    const script = 'echo 0 > /proc/sys/user/max_mnt_namespaces; exec "$@"'
    const program = [process.execPath, join(root, 'bin/run.js'), 'serve', 'worker', '--config', file]
    return execa('unshare', ['--user', '--map-root-user', 'sh', '-c', script, 'sh', ...program], {
      all: true,
      reject: false,
      // One that starts is ended by it.
      timeout: sandbox === 'on' ? 60_000 : 6_000,
      env: { HOME: native.home },
    })
  }

  test('on does not start, and says why', async () => {
    const { exitCode, all, timedOut } = await worker('on')
    expect(timedOut).toBe(false)
    expect(exitCode).not.toBe(0)
    expect(all).toMatch(/no sandbox can be created for actions here.*unshare/s)
  })

  test('auto starts without one, and says so in one line', async () => {
    const { all, timedOut } = await worker('auto')
    expect(timedOut).toBe(true)
    expect(all.match(/actions run without a sandbox/g)).toHaveLength(1)
  })
})
