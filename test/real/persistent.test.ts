import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, type Output, type Workdir } from '../fixture/real.ts'

const slots = 3

describe.skipIf(!(await have('sid:bazel')))('Bazel 7.7.1 with tools that stay', () => {
  let native: Native
  let work: Workdir

  const bazel = (...args: string[]): Promise<Output> =>
    work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws' })
  const build = (...targets: string[]) =>
    bazel('build', '--config=lre', '--experimental_remote_mark_tool_inputs', '--jobs=20', ...targets)
  const targets = (kind: string) => Array.from({ length: 20 }, (_, number) => `//:${kind}_${number}`)
  /** What the compiler has written, and which processes did how many of them. */
  const compiled = (kind: string) => {
    const folder = join(work.path, 'out')
    const names = readdirSync(folder).filter((name) => name.startsWith(`${kind}_`))
    const texts = names.map((name) => readFileSync(join(folder, name), 'utf8'))
    return { texts, processes: new Set(texts.map((text) => /# request \d+ of (\d+)/.exec(text)?.[1])).size }
  }
  const collect = () =>
    work.chroot(['sh', '-c', 'rm -rf ../out; mkdir ../out; cp -L bazel-bin/*.out ../out/'], { cwd: 'ws' })

  beforeAll(async () => {
    native = await createNative()
    work = createWorkdir()
    await work.copy('persistent', 'ws')
    await native.ok('up')
    const settings = join(work.path, 'deployment.json')
    writeFileSync(settings, JSON.stringify({ worker: { persistent: { enabled: true } } }))
    await native.ok('deploy', '--config', settings, '--workers', '1', '--slots', String(slots))
    await native.ok('bazelrc', '--write', join(work.path, 'ws/native.bazelrc'))
  })
  afterAll(async () => {
    await bazel('shutdown')
    await native.dispose()
    await work.remove()
  })

  test.each(['proto', 'json', 'multiplex'])('%s: a few processes compile everything', async (kind) => {
    const ran = await build(...targets(kind))
    expect(ran.all).toMatch(/\d+ remote\b/)
    expect(ran.exitCode).toBe(0)
    await collect()
    const { texts, processes } = compiled(kind)
    expect(texts.filter((text) => /^TEXT NUMBER \d+\n# request/.test(text))).toHaveLength(20)
    expect(processes).toBeLessThanOrEqual(kind === 'multiplex' ? 1 : slots)
  })

  test('a failure shows what the compiler says, and what it has logged', async () => {
    const ran = await build('//:failing')
    expect(ran.all).toContain('it does not compile')
    expect(ran.all).toContain('what the log says')
    expect(ran.all).toContain('(Exit 3)')
  })

  test('without the flag each action has a process of its own', async () => {
    await bazel('clean')
    const ran = await bazel('build', '--config=lre', '--noremote_accept_cached', ...targets('proto'))
    expect(ran.exitCode).toBe(0)
    await collect()
    expect(compiled('proto').processes).toBe(20)
  })
})
