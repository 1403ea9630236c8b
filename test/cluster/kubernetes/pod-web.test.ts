import { expect, test } from 'vitest'
import { askPod } from '../../../src/cluster/kubernetes/pod-web.ts'
import type { Pod } from '../../../src/cluster/kubernetes/pods.ts'
import { faultyServer, refusal } from './server.ts'

const pod: Pod = {
  metadata: { name: 'cas-0', namespace: 'n', uid: 'u', creationTimestamp: '2026-11-24T00:00:00Z' },
  status: { phase: 'Running' },
}
const asked = { port: 9090, path: '/metrics', msMax: 300 }

test('a pod is asked by way of the API server', async () => {
  await using server = await faultyServer([(_, response) => void response.end('native_x 1\n')])
  expect(await askPod(server.kubernetes, pod, asked)).toBe('native_x 1\n')
  expect(server.requests.map(({ pathname }) => pathname)).toEqual([
    '/api/v1/namespaces/n/pods/cas-0:9090/proxy/metrics',
  ])
})

test('one that hangs, is refused or cannot be reached is asked once, and says nothing', async () => {
  for (const answer of [() => undefined, refusal(503, 'no route to the pod'), refusal(403, 'not yours')]) {
    await using server = await faultyServer([answer])
    expect(await askPod(server.kubernetes, pod, asked)).toBeUndefined()
    expect(server.requests).toHaveLength(1)
  }
})
