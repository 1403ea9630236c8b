import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, type Output, type Workdir } from '../fixture/real.ts'

// The dialect of API 2.0: output_files and output_directories, nothing of output_paths.
describe.skipIf(!(await have('bazel')))('Bazel 4.2.3', () => {
  let native: Native
  let work: Workdir
  const bazel = (...args: string[]): Promise<Output> =>
    work.host(['bazel', '--max_idle_secs=60', '--noworkspace_rc', '--bazelrc=bazel4/bazelrc', ...args], { cwd: 'ws' })

  beforeAll(async () => {
    native = await createNative()
    work = createWorkdir()
    await work.copy('workspace', 'ws')
    await native.ok('deploy', '--workers', '1', '--slots', '2')
    await native.ok('bazelrc', '--write', join(work.path, 'ws/native.bazelrc'))
  })
  afterAll(async () => {
    await bazel('shutdown')
    await native.dispose()
    await work.remove()
  })

  test('runs everything remotely', async () => {
    const ran = await bazel('test', '--config=lre', '--jobs=50', '//...')
    expect(ran.all).toMatch(/\d{3} remote\b/)
    expect(ran.exitCode).toBe(0)
  })

  test('after a clean, everything comes out of the cache', async () => {
    await bazel('clean')
    const ran = await bazel('build', '--config=lre', '--jobs=50', '//...')
    expect(ran.all).toMatch(/\d{3} remote cache hit/)
    expect(ran.exitCode).toBe(0)
  })
})
