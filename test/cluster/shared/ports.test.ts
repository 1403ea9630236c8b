import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { choosePorts, isFree, usualPort } from '../../../src/cluster/shared/ports.ts'

/** Something that listens on a free port. */
async function listener(): Promise<number> {
  const server = createServer()
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

test('the usual ports are those that the README names', () => {
  expect(['cas', 'scheduler'].map(usualPort)).toEqual([50051, 50052])
})

test('a port on which something listens is not free', async () => {
  expect(await isFree(await listener())).toBe(false)
  expect(await isFree(0)).toBe(false)
  expect(await isFree(65_536)).toBe(false)
})

test('a port that was chosen once is kept', async () => {
  const { ports, moved } = await choosePorts(['cas'], { cas: 4711 }, new Set())
  expect(ports).toEqual({ cas: 4711 })
  expect(moved).toEqual([])
})

test('a usual port that another cluster claimed is left to it, and that is told', async () => {
  const { ports, moved } = await choosePorts(['cas', 'scheduler'], {}, new Set([50051, 50052]))
  expect(ports['cas']).not.toBe(50051)
  expect(ports['cas']).not.toBe(ports['scheduler'])
  expect(moved).toEqual([
    { use: 'cas', usual: 50051, port: ports['cas'] },
    { use: 'scheduler', usual: 50052, port: ports['scheduler'] },
  ])
})
