import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'

const script = (name: string) => fileURLToPath(new URL(`../../fixture/${name}`, import.meta.url))

/** A port whose connections neither come about nor fail. */
async function deafPort(): Promise<number> {
  const server = execa(process.execPath, [script('deaf-server.ts')], { reject: false, buffer: false })
  const sockets: Socket[] = []
  onTestFinished(async () => {
    for (const each of sockets) each.destroy()
    server.kill('SIGKILL')
    await server
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.stdout.once('data', (chunk) => resolve(Number.parseInt(String(chunk), 10)))
    server.stdout.once('end', () => reject(new Error('it has ended')))
  })
  // The queue of the system holds one more than it was asked to.
  for (const _ of [1, 2]) {
    await new Promise<void>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', resolve)
      socket.once('error', reject)
      sockets.push(socket)
    })
  }
  return port
}

test('a server that cannot be reached keeps no process from its end', async () => {
  const port = await deafPort()
  const { stdout } = await execa(process.execPath, [script('ask.ts'), `grpc://127.0.0.1:${port}`])
  const [said, ended] = stdout.split('\n')
  expect(said).not.toBe('')
  expect(Number(/ended after (\d+) ms/.exec(ended ?? '')?.[1])).toBeLessThan(5_000)
})
