import { appendFileSync, cpSync, mkdirSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native, root } from '../fixture/program.ts'
import { createWorkdir, have, npmModules, type Output, type Workdir } from '../fixture/real.ts'

// What `native client` prints is what the tools are given here, and nothing else: each does its work cold and warm, and
// its own count says where the second result came from. ccache and others of HTTP, Go, Bazel: suites of their own.

let native: Native
let work: Workdir
beforeAll(async () => {
  native = await createNative()
  work = createWorkdir()
  await native.ok('deploy', '--workers', '1', '--slots', '2')
})
afterAll(async () => {
  await native.dispose()
  await work.remove()
})

/** The variables that a tool is given. */
async function printed(tool: string): Promise<Record<string, string>> {
  const { environment } = JSON.parse((await native.ok('client', tool, '--json')).stdout)
  return Object.fromEntries(environment.map(({ name, value }: { name: string; value: string }) => [name, value]))
}

describe.skipIf(!(await have('sid:recc')))('recc', () => {
  test('compiles remotely, then finds the result', async () => {
    mkdirSync(join(work.path, 'src'))
    cpSync(join(root, 'test/real/workspace/cc'), join(work.path, 'src/cc'), { recursive: true })
    const env = { ...(await printed('recc')), RECC_LOG_LEVEL: 'info' }
    const compile = () =>
      work.chroot(['recc', '/usr/bin/g++', '-I.', '-c', 'cc/greeting.cpp', '-o', 'greeting.o'], { cwd: 'src', env })
    expect((await compile()).all).toContain('Executing action remotely')
    expect((await compile()).all).toContain('Action Cache hit')
  })
})

describe.skipIf(!(await have('sid:siso')))('siso', () => {
  const siso = async (folder: string): Promise<Output> => {
    await work.copy('siso', folder)
    return work.chroot(['siso', 'ninja', '-C', 'out', '-strict_remote'], { cwd: folder, env: await printed('siso') })
  }

  test('runs remotely, then out of the cache', async () => {
    expect((await siso('siso-1')).all).toContain('remote:4 cache:0')
    expect((await siso('siso-2')).all).toContain('remote:0 cache:4')
  })
})

describe.skipIf(!(await have('npm:@moonrepo/cli', 'git')))('moon', () => {
  const moon = async (folder: string): Promise<Output> => {
    const cwd = await work.copy('moon', folder)
    const env = { PATH: `${process.env['PATH']}:/usr/bin:/bin`, HOME: join(work.path, `${folder}-home`), CI: 'true' }
    mkdirSync(env.HOME)
    const git = (...args: string[]) =>
      execa('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { cwd, env, extendEnv: false })
    await git('init', '-q', '-b', 'main')
    appendFileSync(join(cwd, '.gitignore'), '.moon/cache\napp/dist\n')
    await native.ok('client', 'moon', '--write', join(cwd, '.moon/workspace.yml'))
    await git('add', '-A')
    await git('commit', '-q', '-m', 'all')
    const done = await execa(join(npmModules, '.bin/moon'), ['run', 'app:build'], {
      cwd,
      env,
      extendEnv: false,
      all: true,
      reject: false,
    })
    return { exitCode: done.exitCode ?? -1, all: done.all, stdout: done.stdout }
  }

  test('runs a task, and another checkout has it from the cluster', async () => {
    const cold = await moon('moon-1')
    expect(cold.exitCode, cold.all).toBe(0)
    expect(cold.all).not.toContain('cached from remote')
    await rm(join(work.path, 'moon-1'), { recursive: true })
    const warm = await moon('moon-2')
    expect(warm.exitCode, warm.all).toBe(0)
    expect(warm.all).toContain('cached from remote')
    expect(await readFile(join(work.path, 'moon-2/app/dist/out.txt'), 'utf8')).toBe('HELLO\n')
  })
})
