import { connect, createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { assertAllAnswer } from '../../../src/cluster/shared/readiness.ts'

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

/** A port at which nothing listens any more. */
async function freedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('it has no port')
  return address.port
}

test('a server of the cluster that does not answer is named, with the reason and what to do', async () => {
  const endpoint = async () => {
    const address = `127.0.0.1:${await freedPort()}`
    return { address, url: `grpc://${address}` }
  }
  const cache = await endpoint()
  const both = assertAllAnswer({ cache, scheduler: await endpoint() }, 'See `native logs`.')
  await expect(both).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringMatching(/^the (cache|scheduler) does not answer: nothing listens there$/),
    next: ['See `native logs`.'],
  })
})
