import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Addresses } from '../../src/cluster/addresses.ts'
import type { BuildRecord } from '../../src/core/build-history.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native, root } from '../fixture/program.ts'
import { copyProgram, useCopy } from '../fixture/program-in-chroot.ts'
import { createWorkdir, have, type Output, type Workdir } from '../fixture/real.ts'

// Tools whose settings `native bazelrc` and `native client` have written for a cluster that wants a token.

let native: Native
let work: Workdir
beforeAll(async () => {
  native = await createNative()
  work = createWorkdir()
  await native.ok('deploy', '--access', 'team', '--workers', '1', '--slots', '2')
})
afterAll(async () => {
  await native.dispose()
  await work.remove()
})

describe.skipIf(!(await have('sid:bazel')))('Bazel 7.7.1 with the credential helper', () => {
  /** Runs the program as somebody else, whose settings are where the chroot sees them. */
  const as = (name: string, args: readonly string[], input = '', reject = true) =>
    execa(process.execPath, [join(root, 'bin/run.js'), ...args], {
      reject,
      env: { ...native.env, XDG_CONFIG_HOME: join(work.path, name) },
      extendEnv: false,
      input,
    })

  const bazel = (...args: string[]): Promise<Output> =>
    work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws' })

  /** Logs in, and writes what Bazel reads; the chroot sees nothing of this checkout, so the program lies in the folder too. */
  async function settle(name: string, role: string, ...tls: string[]): Promise<string> {
    const { token } = JSON.parse((await native.ok('token', 'create', '--name', name, '--role', role, '--json')).stdout)
    const { cache, scheduler, console } = JSON.parse((await native.ok('ips', '--json')).stdout)
    // The console is on loopback, without TLS.
    for (const { url } of [cache, scheduler]) await as(name, ['login', url, ...tls], token)
    await as(name, ['login', console.url], token)
    await as(name, ['bazelrc', '--write', join(work.path, `ws/${name}.bazelrc`)])
    useCopy(work, join(work.path, name))
    return token
  }

  let written = ''
  beforeAll(async () => {
    await work.copy('workspace', 'ws')
    copyProgram(work)
    written = await settle('writer', 'writer')
    await settle('reader', 'reader')
  })
  afterAll(() => bazel('shutdown'))

  test('no token stands in what bazelrc writes, and a build without one is told what it needs', async () => {
    expect(readFileSync(join(work.path, 'ws/writer.bazelrc'), 'utf8')).not.toContain('native_')
    const { scheduler } = JSON.parse((await native.ok('ips', '--json')).stdout)
    const ran = await bazel('build', `--remote_cache=${scheduler.url}`, '--remote_retries=0', '//gen:upper')
    expect(ran.all).toContain('this server needs credentials')
  })

  test('a writer’s build runs remotely, and out of the cache after a clean', async () => {
    const build = () => bazel('--bazelrc=writer.bazelrc', 'build', '--config=lre', '//gen:upper', '//cc:greet')
    const cold = await build()
    expect(cold.all).toMatch(/\d+ remote\b/)
    expect(cold.exitCode).toBe(0)
    await bazel('clean')
    const warm = await build()
    expect(warm.all).toMatch(/\d+ remote cache hit/)
    expect(warm.exitCode).toBe(0)
    const id = /Invocation ID: (\S+)/.exec(warm.all)?.[1]
    const builds = async (): Promise<BuildRecord[]> => JSON.parse((await native.ok('builds', '--json')).stdout).builds
    const told = await eventually(
      async () => (await builds()).find((each) => each.id === id)?.told,
      (each) => each?.exit !== undefined,
    )
    expect(told).toMatchObject({ command: 'build', exit: { code: 0 } })
  })

  test('a reader may not tell the console of builds, which does not keep a build from its end', async () => {
    const text = readFileSync(join(work.path, 'ws/reader.bazelrc'), 'utf8')
    const flags = text
      .split('\n')
      .flatMap((line) => /^build:lre (--(?:no)?(?:bes_|credential)\S+)/.exec(line)?.[1] ?? [])
    expect(flags.some((flag) => flag.startsWith('--bes_backend='))).toBe(true)
    const build = () => bazel('build', ...flags, '//gen:upper')
    const runs = [await build(), await build()]
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0])
    const { builds } = JSON.parse((await native.ok('builds', '--json')).stdout) as { builds: BuildRecord[] }
    const ids = runs.map(({ all }) => /Invocation ID: (\S+)/.exec(all)?.[1])
    expect(builds.filter(({ id, told }) => told && ids.includes(id))).toEqual([])
  })

  test('a reader’s build finds what is there, cannot write what it makes, says so and goes on', async () => {
    // Without the executor, which a reader may not use: what Bazel runs itself is stored under other keys.
    const build = (name: string, salt: string) => {
      const text = readFileSync(join(work.path, `ws/${name}.bazelrc`), 'utf8')
      const flags = ['remote_cache', 'credential_helper', 'remote_instance_name'].map(
        (flag) => new RegExp(`--${flag}=\\S+`).exec(text)?.[0] ?? '',
      )
      return bazel('build', ...flags, `--action_env=SALT=${salt}`, '//gen:upper')
    }
    expect((await build('writer', 'theirs')).exitCode).toBe(0)
    await bazel('clean')
    const hit = await build('reader', 'theirs')
    expect([hit.exitCode, hit.all]).toEqual([0, expect.stringMatching(/\d+ remote cache hit/)])
    const own = await build('reader', 'own')
    // Why, it tells with --verbose_failures.
    expect([own.exitCode, own.all]).toEqual([0, expect.stringContaining('Error while uploading')])
    await bazel('clean')
    // It has to be made, and to be uploaded, again.
    expect((await build('reader', 'own')).all).toContain('Error while uploading')
  })

  test('a token that is revoked is of no use in the next build', async () => {
    await native.ok('token', 'revoke', 'writer')
    const { cache, scheduler } = JSON.parse((await native.ok('ips', '--json')).stdout)
    // Each server looks at the tokens once a second, and a build that has little to do is done sooner.
    for (const { url } of [cache, scheduler])
      await eventually(
        async () => (await as('writer', ['login', url], written, false)).exitCode,
        (exitCode) => exitCode === 7,
      )
    // Bazel keeps what a helper answered for an address until it cleans, and the reader's answers are for the same ones.
    await bazel('clean')
    const ran = await bazel('--bazelrc=writer.bazelrc', 'build', '--config=lre', '--remote_retries=0', '//cc:greet')
    expect(ran.exitCode).not.toBe(0)
    expect(ran.all).toContain('was revoked')
  })

  test('over HTTPS, a writer fills the cache, and a reader finds that and cannot write', async () => {
    await native.ok('deploy', '--tls', 'auto')
    const { cache } = JSON.parse((await native.ok('ips', '--json')).stdout) as Addresses
    const ca = join(work.path, 'ca.pem')
    cpSync(cache.tls?.ca ?? '', ca)
    const build = async (name: string, salt: string) => {
      const [helper = ''] =
        /--credential_helper=\S+/.exec(readFileSync(join(work.path, `ws/${name}.bazelrc`), 'utf8')) ?? []
      await bazel('clean')
      const tls = [`--remote_cache=https://${cache.address}`, `--tls_certificate=${ca}`, helper]
      return bazel('build', ...tls, '--verbose_failures', `--action_env=SALT=${salt}`, '//gen:upper')
    }
    await settle('tls-writer', 'writer', '--tls-ca', ca)
    await settle('tls-reader', 'reader', '--tls-ca', ca)
    // One of the two actions does not depend on the salt: another test has left its result.
    const cold = await build('tls-writer', 'tls')
    expect([cold.exitCode, cold.all]).toEqual([0, expect.stringContaining('linux-sandbox')])
    expect(cold.all).not.toContain('WARNING: Remote Cache')
    const found = await build('tls-reader', 'tls')
    expect([found.exitCode, found.all]).toEqual([0, expect.stringContaining('2 remote cache hit')])
    const own = await build('tls-reader', 'own')
    expect([own.exitCode, own.all]).toEqual([0, expect.stringContaining('has the role reader')])
  })
})
