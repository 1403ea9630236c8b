import { expect, test } from 'vitest'
import { type HealthSource, healthService } from '../../src/wire/health.ts'
import { health } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { gate } from './fixture.ts'

const { ServingStatus } = health.HealthCheckResponse

function source(states: Map<string, 'serving' | 'not-serving'>) {
  const listeners = new Set<() => void>()
  const value: HealthSource = {
    status: (service) => states.get(service),
    watch(changed) {
      listeners.add(changed)
      return () => listeners.delete(changed)
    },
  }
  return {
    value,
    listeners,
    set(service: string, state: 'serving' | 'not-serving') {
      states.set(service, state)
      for (const each of listeners) each()
    },
  }
}

const request = (service: string) => health.HealthCheckRequest.encode({ service }).finish()
const status = (bytes: Buffer) => health.HealthCheckResponse.decode(bytes).status

test('a check says how a service is, or that there is none', async () => {
  const { value, set } = source(new Map([['', 'serving']]))
  const channel = memoryChannel([healthService(value)])
  const check = async (service: string) => status(await channel.unary('grpc.health.v1.Health/Check', request(service)))
  expect(await check('')).toBe(ServingStatus.SERVING)
  set('', 'not-serving')
  expect(await check('')).toBe(ServingStatus.NOT_SERVING)
  await expect(check('none')).rejects.toMatchObject({ code: Code.NOT_FOUND })
  await expect(channel.unary('grpc.health.v1.Health/Check', Buffer.from([0xff]))).rejects.toMatchObject({
    code: Code.INVALID_ARGUMENT,
  })
})

test('a watch says each change once, beginning with what is, and lets go when its client does', async () => {
  const { value, listeners, set } = source(new Map())
  const controller = new AbortController()
  const channel = memoryChannel([healthService(value)])
  const seen: number[] = []
  const changes = [gate(), gate(), gate()]
  const watching = (async () => {
    const stream = channel.serverStream('grpc.health.v1.Health/Watch', request('a'), { signal: controller.signal })
    for await (const each of stream) {
      seen.push(status(each))
      changes[seen.length - 1]?.open()
    }
  })()
  const ended = expect(watching).rejects.toMatchObject({ code: Code.CANCELLED })
  await changes[0]?.opened
  set('a', 'serving')
  await changes[1]?.opened
  set('a', 'serving')
  set('a', 'not-serving')
  await changes[2]?.opened
  controller.abort()
  await ended
  await expect.poll(() => listeners.size).toBe(0)
  expect(seen).toEqual([ServingStatus.SERVICE_UNKNOWN, ServingStatus.SERVING, ServingStatus.NOT_SERVING])
})
