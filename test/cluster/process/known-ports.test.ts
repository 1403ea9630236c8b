import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { knownPorts } from '../../../src/cluster/process/configure.ts'

test('ports of what is deployed are kept, others unless another program has taken them', async () => {
  const server = createServer()
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const taken = typeof address === 'object' && address ? address.port : 0
  const ports = { cas: taken, 'worker-1-metrics': taken }
  expect(await knownPorts({ ports, deployment: null })).toEqual({})
  expect(await knownPorts({ ports, deployment: { workers: 0 } })).toEqual({ cas: taken })
  expect(await knownPorts({ ports, deployment: { workers: 1 } })).toEqual(ports)
})
