import { type AddressInfo, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { hasHistory, withHistory } from '../../src/cli/console.ts'
import { Failure } from '../../src/core/failure.ts'

const cache = { address: '127.0.0.1:1', url: 'grpcs://127.0.0.1:1' }
const addresses = { cache, scheduler: cache }

test('a console that is brought to this machine and cannot be had says why, and is let go', async () => {
  const why = new Failure('unavailable', 'the console is not ready')
  let failed: (error: unknown) => void = () => undefined
  const server = createServer((socket) => {
    failed(why)
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  let closed = 0
  const openConsole = async (told: typeof failed) => {
    failed = told
    const close = async () => {
      closed += 1
    }
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
  }
  await expect(withHistory({ ...addresses, openConsole }, (history) => history.builds({ limit: 1 }))).rejects.toBe(why)
  expect(closed).toBe(1)
  expect(hasHistory({ ...addresses, openConsole })).toBe(true)
})

test('a cluster without a console has no history', async () => {
  expect(hasHistory(addresses)).toBe(false)
  await expect(withHistory(addresses, async () => undefined)).rejects.toMatchObject({ kind: 'precondition' })
})
