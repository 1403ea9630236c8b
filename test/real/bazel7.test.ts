import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, type Output, type Workdir } from '../fixture/real.ts'

describe.skipIf(!(await have('sid:bazel')))('Bazel 7.7.1', () => {
  let native: Native
  let work: Workdir

  const bazel = (...args: string[]): Promise<Output> =>
    work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws' })
  const build = (...args: string[]) => bazel('build', '--config=lre', ...args)

  beforeAll(async () => {
    native = await createNative()
    work = createWorkdir()
    await work.copy('workspace', 'ws')
    await native.ok('up')
    await native.ok('deploy', '--workers', '2', '--slots', '2')
    await native.ok('bazelrc', '--write', join(work.path, 'ws/native.bazelrc'))
  })
  afterAll(async () => {
    await bazel('shutdown')
    await native.dispose()
    await work.remove()
  })

  test('cc, genrules, tree artifacts, symlinks, tests and 500 small actions run remotely, 50 at once', async () => {
    const ran = await bazel('test', '--config=lre', '--jobs=50', '//...')
    expect(ran.all).toMatch(/\d{3} remote\b/)
    expect(ran.exitCode).toBe(0)
  })

  test('after a clean, everything comes out of the cache', async () => {
    await bazel('clean')
    const ran = await build('--jobs=50', '//...')
    expect(ran.exitCode).toBe(0)
    expect(ran.all).toMatch(/\d{3} remote cache hit/)
    expect(ran.all).not.toMatch(/\d+ remote[,.]/)
  })

  test('without the bytes: a clean build leaves intermediate outputs where they are, and later ones can use them', async () => {
    await bazel('clean')
    const first = await build('--remote_download_outputs=minimal', '//gen:tree_listing')
    expect(first.exitCode).toBe(0)
    const later = await build('--remote_download_outputs=toplevel', '//gen:tree_listing', '//gen:upper')
    expect(later.all).not.toContain('CacheNotFoundException')
    expect(later.exitCode).toBe(0)
  })

  test('a large output arrives whole', async () => {
    const ran = await build('--remote_download_outputs=all', '//gen:big')
    expect(ran.exitCode).toBe(0)
    const size = await work.chroot(['sh', '-c', 'stat -L -c %s bazel-bin/gen/big*'], { cwd: 'ws' })
    expect(size.stdout.trim()).toBe(String(16 * 1024 * 1024))
  })

  test('an action that fails shows both of its streams and its exit code', async () => {
    const ran = await build('//fail')
    expect(ran.exitCode).toBe(1)
    expect(ran.all).toContain('this went to stdout')
    expect(ran.all).toContain('this went to stderr')
    expect(ran.all).toContain('(Exit 3)')
  })

  test('an action that does not make its output is told so', async () => {
    const ran = await build('//fail:no_output')
    expect(ran.all).toContain('no_output.txt was not created')
    expect(ran.exitCode).not.toBe(0)
  })

  test('a failing test reports its exit code and output', async () => {
    const ran = await bazel('test', '--config=lre', '//sh:fail_test')
    expect(ran.exitCode).toBe(3)
  })

  test('a symlink to nowhere is an output like any other', async () => {
    expect((await build('//gen:dangling')).exitCode).toBe(0)
  })

  test('compressed transfers are taken and given', async () => {
    // Debian's Bazel does not find its own zstd library without this.
    const zstd = '--host_jvm_args=-Djava.library.path=/usr/lib/x86_64-linux-gnu'
    const compressed = (...args: string[]) => work.chroot(['bazel', zstd, '--max_idle_secs=60', ...args], { cwd: 'ws' })
    const build = [
      'build',
      '--config=lre',
      '--remote_cache_compression',
      `--action_env=SALT=${Date.now()}`,
      '//gen/...',
    ]
    const first = await compressed(...build)
    expect(first.all).toMatch(/\d+ remote\b/)
    expect(first.exitCode).toBe(0)
    await compressed('clean')
    const second = await compressed(...build, '--remote_download_outputs=all')
    expect(second.all).toMatch(/\d+ remote cache hit/)
    expect(second.exitCode).toBe(0)
  })

  test('a platform that no worker offers is refused at once, with what the workers have', async () => {
    const ran = await build(
      '--remote_default_exec_properties=OSFamily=plan9',
      `--action_env=SALT=${Date.now()}`,
      '//gen:upper',
    )
    expect(ran.exitCode).not.toBe(0)
    expect(ran.all).toMatch(/OSFamily/)
    expect(ran.all).toMatch(/linux/)
  })

  test('any instance name means the one instance', async () => {
    const ran = await build('--remote_instance_name=moon-outputs', '//gen:upper')
    expect(ran.exitCode, ran.all).toBe(0)
  })
})

describe.skipIf(!(await have('sid:bazel')))('the example workspace', () => {
  test('builds hello_lre remotely, then out of the cache, as the README says', async () => {
    const native = await createNative()
    const work = createWorkdir()
    const example = join(work.path, 'hello')
    const target = '//local-remote-execution/examples:hello_lre'
    const bazel = (...args: string[]) => work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'hello' })
    try {
      await native.ok('deploy')
      await native.ok('example', example)
      await native.ok('bazelrc', '--write', join(example, 'native.bazelrc'))
      const first = await bazel('build', '--config=lre', target)
      expect(first.all).toMatch(/\b2 remote\b/)
      await bazel('clean')
      const second = await bazel('build', '--config=lre', target)
      expect(second.all).toMatch(/\b2 remote cache hit/)
      expect((await bazel('run', '--config=lre', target)).stdout).not.toBe('')
    } finally {
      await bazel('shutdown')
      await native.dispose()
      await work.remove()
    }
  })
})
