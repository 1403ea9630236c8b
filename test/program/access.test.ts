import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSecret } from '../../src/core/secret.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { authorizedChannel, identifiedChannel } from '../../src/wire/identity.ts'
import { workerApi } from '../../src/wire/proto.ts'
import { type Channel, Code, RpcError } from '../../src/wire/rpc.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native, root } from '../fixture/program.ts'

interface Addresses {
  readonly cache: { readonly url: string; readonly address: string }
  readonly scheduler: { readonly url: string }
}

let native: Native
let addresses: Addresses
const open: Channel[] = []

/** Calls as whoever has this token. */
function as(url: string, token?: string): Channel {
  const channel = authorizedChannel(openChannel(url), () => (token === undefined ? undefined : `Bearer ${token}`))
  open.push(channel)
  return channel
}

async function tokenOf(name: string, role: string, ...more: string[]): Promise<string> {
  return JSON.parse((await native.ok('token', 'create', '--name', name, '--role', role, '--json', ...more)).stdout)
    .token
}

/** Runs the program as another person on this machine would, with settings of their own. */
async function asAnother(args: readonly string[], input = ''): Promise<{ exitCode: number; all: string }> {
  const env = { ...native.env, XDG_CONFIG_HOME: join(native.home, 'another') }
  const { exitCode, all } = await execa(process.execPath, [join(root, 'bin/run.js'), ...args], {
    env,
    extendEnv: false,
    reject: false,
    input,
    all: true,
  })
  return { exitCode: exitCode ?? -1, all }
}

async function codeOf(call: Promise<unknown>): Promise<number> {
  try {
    await call
    return Code.OK
  } catch (error) {
    if (error instanceof RpcError) return error.code
    throw error
  }
}

beforeAll(async () => {
  native = await createNative()
  await native.ok('deploy', '--access', 'team', '--workers', '1')
  addresses = JSON.parse((await native.ok('ips', '--json')).stdout)
})
afterAll(async () => {
  for (const channel of open) channel.close()
  await native.dispose()
})

describe('a cluster that was deployed with --access team', () => {
  test('is used as before by whoever deployed it', async () => {
    expect((await native.ok('exec', '--', '/bin/echo', 'mine')).stdout).toBe('mine')
    expect((await native.ok('exec', '--', '/bin/echo', 'mine')).stderr).toContain('cached')
    expect((await native.ok('status')).stdout).toContain('deployed')
    expect((await native.run('doctor')).stdout).toContain('need a token')
  })

  test('sends others away who have no token, by the cache and by the scheduler', async () => {
    for (const { url } of [addresses.cache, addresses.scheduler]) {
      const channel = as(url)
      for (const method of [
        'build.bazel.remote.execution.v2.Capabilities/GetCapabilities',
        'build.bazel.remote.execution.v2.ActionCache/UpdateActionResult',
      ])
        expect([url, method, await codeOf(channel.unary(method, new Uint8Array()))]).toEqual([
          url,
          method,
          Code.UNAUTHENTICATED,
        ])
      expect(await codeOf(channel.unary('grpc.health.v1.Health/Check', new Uint8Array()))).toBe(Code.OK)
    }
    // Without a token there is nobody who does not answer: the cluster is the user's own, and its settings are another's.
    const ips = await asAnother(['ips'])
    expect([ips.exitCode, ips.all]).toEqual([7, expect.stringContaining('this server needs credentials')])
    const port = addresses.scheduler.url.split(':').at(-1) ?? ''
    const refused = await asAnother(['exec', '--port', port, '--', '/bin/true'])
    expect([refused.exitCode, refused.all]).toEqual([7, expect.stringContaining('native login')])
  })

  test('lets a runner run actions and write no results; what it runs is cached', async () => {
    const token = await tokenOf('rita', 'runner')
    const port = addresses.scheduler.url.split(':').at(-1) ?? ''
    expect((await asAnother(['login', addresses.scheduler.url], `${token}\n`)).exitCode).toBe(0)
    expect(await asAnother(['exec', '--port', port, '--', '/bin/echo', 'by rita'])).toMatchObject({ exitCode: 0 })
    expect((await asAnother(['exec', '--port', port, '--', '/bin/echo', 'by rita'])).all).toContain('cached')
    for (const { url } of [addresses.cache, addresses.scheduler])
      expect(
        await codeOf(
          as(url, token).unary('build.bazel.remote.execution.v2.ActionCache/UpdateActionResult', new Uint8Array()),
        ),
      ).toBe(Code.PERMISSION_DENIED)
    expect((await stat(join(native.home, 'another/native/logins.json'))).mode & 0o777).toBe(0o600)
    expect((await asAnother(['logout', addresses.scheduler.url])).all).toContain('was removed')
    expect((await asAnother(['exec', '--port', port, '--', '/bin/true'])).exitCode).toBe(7)
  })

  test('tells programs what login has kept and logout has removed', async () => {
    const token = await tokenOf('robot', 'reader')
    const { url } = addresses.cache
    const answer = async (...args: string[]) => JSON.parse((await asAnother([...args, url, '--json'], token)).all)
    expect(await answer('login')).toEqual({ url, file: join(native.home, 'another/native/logins.json') })
    expect(await answer('logout')).toEqual({ url, removed: true })
    expect(await answer('logout')).toEqual({ url, removed: false })
  })

  test('does not give the scheduler’s rights to what is passed on, nor take another’s proof', async () => {
    const reader = await tokenOf('rob', 'reader')
    const upload = 'build.bazel.remote.execution.v2.ContentAddressableStorage/BatchUpdateBlobs'
    expect(await codeOf(as(addresses.scheduler.url, reader).unary(upload, new Uint8Array()))).toBe(
      Code.PERMISSION_DENIED,
    )
    const forged = identifiedChannel(
      as(addresses.cache.url),
      createSecret(Buffer.from('not the secret of this one')),
      'worker',
      Date.now,
    )
    expect(await codeOf(forged.unary(upload, new Uint8Array()))).toBe(Code.UNAUTHENTICATED)
  })

  test('takes nobody for a worker who has only a token that is not a worker’s', async () => {
    const writer = as(addresses.scheduler.url, await tokenOf('wendy', 'writer'))
    const work = async (channel: Channel) => {
      const hello = workerApi.FromWorker.encode({}).finish()
      const answers = channel.bidi(
        'native.worker.v1.Workers/Work',
        (async function* () {
          yield hello
        })(),
      )
      for await (const _ of answers) return
    }
    expect(await codeOf(work(writer))).toBe(Code.PERMISSION_DENIED)
  })

  test('ends a stream of somebody whose token is revoked within five seconds, without a restart', async () => {
    const token = await tokenOf('tom', 'runner')
    const follow = 'grpc.health.v1.Health/Watch'
    const before = JSON.parse((await native.ok('status', '--json')).stdout).servers.map(({ id }: { id: string }) => id)
    const began = Promise.withResolvers<void>()
    const watched = (async () => {
      for await (const _ of as(addresses.cache.url, token).serverStream(follow, new Uint8Array())) began.resolve()
    })()
    await began.promise
    const at = performance.now()
    await native.ok('token', 'revoke', 'tom')
    expect(await codeOf(watched)).toBe(Code.UNAUTHENTICATED)
    expect(performance.now() - at).toBeLessThan(8_000)
    expect(
      JSON.parse((await native.ok('status', '--json')).stdout).servers.map(({ id }: { id: string }) => id),
    ).toEqual(before)
  })

  test('keeps secrets out of logs, arguments and environments, and an action gets none of them', async () => {
    const token = await tokenOf('sam', 'writer')
    await asAnother(['login', addresses.cache.url, '--debug'], token)
    await asAnother(['login', addresses.cache.url, '--debug'], `${token.slice(0, -2)}xx`)
    const secret = token.slice(-43, -2)
    const state = join(native.home, 'state/native/native')
    const servers = readFileSync(join(state, 'secret'), 'utf8').trim()
    for (const name of readdirSync(join(state, 'logs'))) {
      const text = await readFile(join(state, 'logs', name), 'utf8')
      expect([name, text.includes(secret), text.includes(servers)]).toEqual([name, false, false])
    }
    expect(readFileSync(join(state, 'tokens.json'), 'utf8')).not.toContain(secret)
    const { stdout } = await native.ok(
      'exec',
      '--fresh',
      '--',
      '/bin/sh',
      '-c',
      'env; cat /proc/self/cmdline; ls -l /proc/self/fd /proc/$PPID/fd; true',
    )
    for (const each of [secret, servers, 'tokens.json', 'logins.json']) expect(stdout).not.toContain(each)
    for (const { id } of JSON.parse((await native.ok('status', '--json')).stdout).servers as { id: string }[])
      for (const file of ['cmdline', 'environ'])
        expect(readFileSync(`/proc/${id}/${file}`, 'utf8')).not.toContain(servers)
  })
})

describe('native token', () => {
  test('shows a token once, and nothing secret afterwards; rotate replaces it', async () => {
    const first = await native.ok(
      'token',
      'create',
      '--name',
      'anna',
      '--role',
      'writer',
      '--expires',
      '30d',
      '--instance',
      'ci',
    )
    expect(first.stdout).toMatch(/^native_[0-9a-f]{12}_[0-9a-z]+_[\w-]{43}$/)
    expect(first.stderr).toContain('not shown again')
    const listed = await native.ok('token', 'list')
    expect(listed.stdout).toMatch(/^anna +writer +"ci" +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\d$/m)
    expect(listed.stdout).not.toContain(first.stdout.slice(-43))
    const second = JSON.parse((await native.ok('token', 'rotate', 'anna', '--expires', 'never', '--json')).stdout)
    expect(second).toMatchObject({ name: 'anna', role: 'writer', instances: ['ci'], expires: null })
    // The servers look at the file each second.
    await eventually(
      async () => (await asAnother(['login', addresses.cache.url], first.stdout)).exitCode,
      (code) => code === 7,
    )
    expect((await native.ok('token', 'revoke', 'anna', '--json')).stdout).toContain('"name": "anna"')
    expect((await native.run('token', 'revoke', 'anna')).exitCode).toBe(3)
  })

  test('refuses what is not a name, role or span, and a file that others can read', async () => {
    expect((await native.run('token', 'create', '--name', 'a b', '--role', 'writer')).stderr).toContain(
      'cannot be the name',
    )
    expect((await native.run('token', 'create', '--name', 'a', '--role', 'king')).exitCode).toBe(2)
    const limited = await native.run('token', 'create', '--name', 'a', '--role', 'worker', '--instance', 'ci')
    expect([limited.exitCode, limited.stderr]).toEqual([2, expect.stringContaining('a worker runs the actions of all')])
    expect((await native.run('token', 'create', '--name', 'a', '--role', 'writer', '--expires', 'soon')).exitCode).toBe(
      2,
    )
    const file = join(native.home, 'others.json')
    await native.ok('token', 'create', '--file', file, '--name', 'a', '--role', 'reader')
    await chmod(file, 0o644)
    expect((await native.run('token', 'list', '--file', file)).stderr).toContain('chmod 600')
    await writeFile(file, '{"version":7}')
    await chmod(file, 0o600)
    expect((await native.run('token', 'list', '--file', file)).stderr).toContain('later release')
  })

  test('loses none of two that are made at once', async () => {
    await Promise.all(['one', 'two'].map((name) => native.ok('token', 'create', '--name', name, '--role', 'reader')))
    const { tokens } = JSON.parse((await native.ok('token', 'list', '--json')).stdout)
    expect(tokens.map(({ name }: { name: string }) => name)).toEqual(expect.arrayContaining(['one', 'two']))
  })
})

describe('native credential-helper', () => {
  const ask = (uri: string) =>
    new Promise<string>((resolve) => {
      const child = spawn(process.execPath, [join(root, 'bin/run.js'), 'credential-helper', 'get'], { env: native.env })
      let text = ''
      child.stdout.on('data', (piece) => (text += String(piece)))
      child.once('close', () => resolve(text))
      child.stdin.end(JSON.stringify({ uri }))
    })

  test('answers with the token of the address, and with nothing for others', async () => {
    const own = JSON.parse(await ask(`https://${addresses.cache.address}/build.bazel.remote.execution.v2.Capabilities`))
    expect(own.headers.authorization[0]).toMatch(/^Bearer native_/)
    expect(JSON.parse(await ask('https://example.com/'))).toEqual({ headers: {} })
  })

  test('tells an end a minute early', async () => {
    const token = await tokenOf('early', 'reader', '--expires', '1h')
    const env = { ...native.env, XDG_CONFIG_HOME: join(native.home, 'another') }
    await asAnother(['login', addresses.cache.url], token)
    const { stdout } = await execa(process.execPath, [join(root, 'bin/run.js'), 'credential-helper', 'get'], {
      env,
      extendEnv: false,
      input: JSON.stringify({ uri: `https://${addresses.cache.address}/` }),
    })
    const { tokens } = JSON.parse((await native.ok('token', 'list', '--json')).stdout)
    const { expires } = tokens.find(({ name }: { name: string }) => name === 'early')
    const told = Date.parse(JSON.parse(stdout).expires)
    expect(Date.parse(expires) - told).toBeGreaterThanOrEqual(60_000)
    expect(Date.parse(expires) - told).toBeLessThan(62_000)
  })
})

describe('back to --access none', () => {
  test('needs no token, keeps no login, and has none to make', async () => {
    await native.ok('deploy', '--access', 'none')
    expect(
      await codeOf(
        as(addresses.cache.url).unary('build.bazel.remote.execution.v2.Capabilities/GetCapabilities', new Uint8Array()),
      ),
    ).toBe(Code.OK)
    expect((await native.run('token', 'list')).stderr).toContain('deploy --access team')
    expect(existsSync(join(native.home, 'config/native/logins.json'))).toBe(false)
  })
})
