import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Addresses } from '../../src/cluster/addresses.ts'
import { createNative, type Native, root } from '../fixture/program.ts'
import { copyProgram, useCopy } from '../fixture/program-in-chroot.ts'
import { createWorkdir, have, npmModules, type Output, type Workdir } from '../fixture/real.ts'

// Tools of gRPC with a cluster that has TLS with an authority of its own and wants a token: what they need is what `native client`
// writes for somebody who has logged in. Bazel, and tools of HTTP: suites of their own.

let native: Native
let work: Workdir
let token: string
/** The cluster's authority, where it is and where the chroot sees it. */
let authority: { readonly from: string; readonly to: string }

const settings = () => join(work.path, 'settings')

async function ran(args: readonly string[], input = ''): Promise<string> {
  const env = { ...native.env, XDG_CONFIG_HOME: settings() }
  return (await execa(process.execPath, [join(root, 'bin/run.js'), ...args], { env, extendEnv: false, input })).stdout
}

/** What a tool is given, as a shell would have it. */
async function variables(tool: string): Promise<Record<string, string>> {
  const { environment } = JSON.parse(await ran(['client', tool, '--json']))
  const pairs = environment.map(({ name, value }: { name: string; value: string }) => [
    name,
    value.replace(authority.from, authority.to),
  ])
  return Object.fromEntries(pairs)
}

/** Writes what a tool is given into a file of the folder. */
async function write(tool: string, file: string): Promise<string> {
  const path = join(work.path, file)
  await ran(['client', tool, '--write', path])
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll(authority.from, authority.to))
  return path
}

beforeAll(async () => {
  native = await createNative()
  work = createWorkdir()
  await native.ok('deploy', '--tls', 'auto', '--access', 'team', '--workers', '1', '--slots', '2')
  const { cache, scheduler } = JSON.parse((await native.ok('ips', '--json')).stdout) as Addresses
  authority = { from: cache.tls?.ca ?? '', to: join(work.path, 'ca.pem') }
  cpSync(authority.from, authority.to)
  token = JSON.parse((await native.ok('token', 'create', '--name', 'all', '--role', 'writer', '--json')).stdout).token
  for (const { url } of [cache, scheduler]) await ran(['login', url, '--tls-ca', authority.to], token)
})
afterAll(async () => {
  await native.dispose()
  await work.remove()
})

describe.skipIf(!(await have('sid:recc')))('recc', () => {
  test('compiles remotely, then finds the result; what it is told has no token in it', async () => {
    const env: Record<string, string> = { ...(await variables('recc')), RECC_LOG_LEVEL: 'info' }
    expect(Object.values(env).join(' ')).not.toContain(token)
    work.write('recc/a.cpp', 'int one() { return 1; }\n')
    const compile = () => work.chroot(['recc', '/usr/bin/g++', '-c', 'a.cpp', '-o', 'a.o'], { cwd: 'recc', env })
    expect((await compile()).all).toContain('Executing action remotely')
    expect((await compile()).all).toContain('Action Cache hit')
    const { ['RECC_ACCESS_TOKEN_PATH']: _, ...without } = env
    work.write('recc/a.cpp', 'int two() { return 2; }\n')
    const refused = await work.chroot(['recc', '/usr/bin/g++', '-c', 'a.cpp', '-o', 'a.o'], {
      cwd: 'recc',
      env: without,
    })
    expect(refused.all).toContain('this server needs credentials')
  })
})

describe.skipIf(!(await have('sid:siso')))('siso', () => {
  test('runs remotely, then out of the cache', async () => {
    copyProgram(work)
    const env = await variables('siso')
    expect(Object.values(env).join(' ')).not.toContain(token)
    useCopy(work, settings())
    const siso = async (folder: string): Promise<Output> => {
      await work.copy('siso', folder)
      return work.chroot(['siso', 'ninja', '-C', 'out', '-strict_remote'], { cwd: folder, env })
    }
    expect((await siso('siso-1')).all).toContain('remote:4 cache:0')
    expect((await siso('siso-2')).all).toContain('remote:0 cache:4')
  })
})

describe.skipIf(!(await have('sid:bst', 'sid:buildbox-casd')))('BuildStream', () => {
  test('pushes an artifact, and pulls it again', async () => {
    await work.copy('buildstream', 'bst')
    const config = await write('buildstream', 'buildstream.conf')
    const build = () => work.chroot(['bst', '-c', config, '--no-colors', 'build', 'hello.bst'], { cwd: 'bst' })
    expect((await build()).all).toContain('Pushed artifact')
    await rm(join(work.path, 'home/.cache/buildstream'), { recursive: true })
    expect((await build()).all).toContain('Pulled artifact')
  })
})

describe.skipIf(!(await have('npm:@moonrepo/cli', 'git')))('moon', () => {
  test('runs a task, and another checkout has it from the cluster', async () => {
    const run = async (folder: string): Promise<string> => {
      const cwd = await work.copy('moon', folder)
      work.write(`${folder}/.gitignore`, '.moon/cache\napp/dist\n')
      await write('moon', `${folder}/.moon/workspace.yml`)
      const home = join(work.path, `${folder}-home`)
      work.write(`${folder}-home/.gitconfig`, '[user]\nname = t\nemail = t@example.com\n')
      const env = { PATH: '/usr/bin:/bin', HOME: home, CI: 'true', NATIVE_CACHE_TOKEN: token }
      const commands = [
        ['git', 'init', '-q', '-b', 'main'],
        ['git', 'add', '-A'],
        ['git', 'commit', '-q', '-m', 'all'],
      ]
      for (const [file = '', ...args] of commands) await execa(file, args, { cwd, env, extendEnv: false })
      const done = await execa(join(npmModules, '.bin/moon'), ['run', 'app:build'], {
        cwd,
        env: { ...env, PATH: `${process.env['PATH']}:/usr/bin:/bin` },
        extendEnv: false,
        all: true,
      })
      return done.all
    }
    expect(await run('moon-1')).not.toContain('cached from remote')
    await rm(join(work.path, 'moon-1'), { recursive: true })
    expect(await run('moon-2')).toContain('cached from remote')
  })
})
