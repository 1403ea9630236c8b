import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { openChannel } from '../../src/wire/channel.ts'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { Code } from '../../src/wire/rpc.ts'
import { sameUserOnly } from '../../src/wire/same-user.ts'
import { type ListenOptions, listen } from '../../src/wire/server.ts'
import { testFolder } from '../fixture/folder.ts'
import { service } from './fixture.ts'
import { transportSuite } from './transport-suite.ts'

const echo = [service({ Echo: { kind: 'unary', handle: (request) => Buffer.from(request) } })]

async function socketPath(): Promise<string> {
  return join(await testFolder(), 's.sock')
}

async function serve(path: string, options: Partial<ListenOptions> = {}) {
  const server = await listen(echo, { address: `unix:${path}`, ...options })
  onTestFinished(() => server.close())
  return server
}

async function said(url: string): Promise<string> {
  const channel = openChannel(url)
  try {
    return String(await channel.unary('test.Service/Echo', Buffer.from('hello')))
  } finally {
    channel.close()
  }
}

transportSuite('over a socket in the file system', async (services) => {
  const server = await listen(services, { address: `unix:${await socketPath()}` })
  const channel = openDirectChannel(server.address)
  return {
    channel,
    async close() {
      channel.close()
      await server.close()
    },
  }
})

test('the socket is this user’s alone, answers HTTP/1.1 as well, and goes with the server', async () => {
  const path = await socketPath()
  const server = await serve(path, {
    http: async (exchange) => {
      exchange.respond(200, { 'content-length': '3' })
      await exchange.write(Buffer.from('hi\n'))
    },
  })
  expect(server.address).toBe(`unix:${path}`)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  const { stdout } = await execa('curl', ['-sS', '--unix-socket', path, 'http://localhost/'])
  expect(stdout).toBe('hi')
  await server.drain(1_000)
  await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(said(`unix:${path}`)).rejects.toMatchObject({ code: Code.UNAVAILABLE, message: `unix:${path}: ENOENT` })
})

test.runIf(process.platform === 'linux')(
  'a private server takes every connection of it, since its mode is the guard',
  async () => {
    const path = await socketPath()
    await serve(path, { admit: await sameUserOnly() })
    expect(await said(`unix:${path}`)).toBe('hello')
  },
)

test('what a killed server has left is replaced; a server that lives, and what is not a socket, is left alone', async () => {
  const path = await socketPath()
  const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  const child = spawn(process.execPath, ['-e', program], { stdio: 'ignore' })
  await once(child, 'exit')
  expect((await stat(path)).isSocket()).toBe(true)
  await serve(path)
  expect(await said(`unix:${path}`)).toBe('hello')
  await expect(listen(echo, { address: `unix:${path}` })).rejects.toMatchObject({ kind: 'exists', where: path })
  expect(await said(`unix:${path}`)).toBe('hello')
  const file = join(await testFolder(), 'file')
  await writeFile(file, 'mine')
  await expect(listen(echo, { address: `unix:${file}` })).rejects.toMatchObject({ kind: 'exists', where: file })
  const nowhere = join(await testFolder(), 'none/s.sock')
  await expect(listen(echo, { address: `unix:${nowhere}` })).rejects.toMatchObject({ where: `unix:${nowhere}` })
})

test('a server of another kind there is no server of gRPC', async () => {
  const path = await socketPath()
  const other = createServer((socket) => socket.on('error', () => undefined).end('hello, who are you?'))
  await new Promise<void>((resolve) => other.listen(path, resolve))
  onTestFinished(() => {
    other.close()
  })
  await expect(said(`unix:${path}`)).rejects.toMatchObject({ code: Code.UNAVAILABLE })
})
