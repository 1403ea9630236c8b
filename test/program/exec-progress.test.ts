import { mkdir, truncate, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { createNative, type Native, root } from '../fixture/program.ts'

const mib = 1024 * 1024
let native: Native

beforeAll(async () => {
  native = await createNative()
  await native.ok('deploy', '--workers', '0')
})
afterAll(() => native.dispose())

/** A connection to the scheduler that carries so many bytes a second in each direction; answers its port. */
async function slowRoad(bytesPerSecond: number): Promise<number> {
  const { scheduler } = JSON.parse((await native.ok('ips', '--json')).stdout)
  const port = Number(scheduler.address.split(':')[1])
  const sockets = new Set<Socket>()
  const carry = (from: Socket, to: Socket) => {
    sockets.add(from)
    from.on('data', (piece: Buffer) => {
      to.write(piece)
      from.pause()
      setTimeout(() => from.resume(), (piece.byteLength / bytesPerSecond) * 1000)
    })
    from.on('close', () => to.destroy()).on('error', () => to.destroy())
  }
  const server = createServer((client) => {
    const there = connect(port, '127.0.0.1')
    carry(client, there)
    carry(there, client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const start = (...args: string[]) =>
  execa(process.execPath, [join(root, 'bin/run.js'), 'exec', ...args], {
    env: native.env,
    extendEnv: false,
    cwd: native.home,
    stdin: 'ignore',
    reject: false,
    all: true,
  })

test('who waits for a worker is told so, and when one comes', async () => {
  const running = start('--', 'echo', 'hello')
  let told = ''
  running.stderr.on('data', (piece: Buffer) => {
    told += piece.toString()
  })
  await vi.waitFor(() => expect(told).toContain('native: waiting for a worker'), { timeout: 30_000 })
  await native.ok('deploy', '--workers', '1')
  const { exitCode, stdout } = await running
  expect(exitCode).toBe(0)
  expect(stdout).toBe('hello')
  expect(told).toMatch(/\nnative: running on worker-1\nnative: executed on worker-1 in /)
})

test('bytes on their way up and down are told', async () => {
  await mkdir(join(native.home, 'large'))
  await writeFile(join(native.home, 'large/blob'), '')
  await truncate(join(native.home, 'large/blob'), 48 * mib)
  const port = String(await slowRoad(6 * mib))
  const { exitCode, stderr } = await start(
    ...['--port', port, '--input', 'large', '--output', 'copy', '--output-to', 'got', '--'],
    ...['/bin/sh', '-c', 'tr "\\000" x < blob > copy'],
  )
  expect(exitCode).toBe(0)
  const rate = String.raw`\d[\d.]* MiB of 48 MiB, \d[\d.]* [KM]iB/s, \d+ s left`
  expect(stderr).toMatch(new RegExp(`native: uploading ${rate}\n`))
  expect(stderr).toMatch(new RegExp(`native: downloading ${rate}\n`))
})
