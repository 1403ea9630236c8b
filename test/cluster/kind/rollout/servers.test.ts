import { expect, it } from 'vitest'
import { serversOf } from '../../../../src/cluster/kind/rollout/servers.ts'
import type { Pod } from '../../../../src/cluster/kubernetes/pods.ts'

function pod(role: string, name: string, second: number, part: Partial<Pod['status']> = {}): Pod {
  return {
    metadata: {
      name,
      namespace: 'n',
      uid: name,
      creationTimestamp: `2026-11-24T00:00:0${second}Z`,
      labels: { 'app.kubernetes.io/name': role },
    },
    status: { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }], ...part },
  }
}

it('names workers in the order in which they were made, after cache and scheduler', () => {
  const servers = serversOf([
    pod('worker', 'w-a', 3),
    pod('worker', 'w-z', 1),
    pod('scheduler', 's', 2),
    pod('cas', 'c', 2),
  ])
  expect(servers.map(({ name, id }) => [name, id])).toEqual([
    ['cas', 'c'],
    ['scheduler', 's'],
    ['worker-1', 'w-z'],
    ['worker-2', 'w-a'],
  ])
})

it('tells a crash from a start, and leaves out what goes', () => {
  const status = { name: 'cas', ready: false, restartCount: 1, state: { waiting: { reason: 'CrashLoopBackOff' } } }
  const notReady = { conditions: [{ type: 'Ready', status: 'False' }] }
  const crashed = pod('cas', 'c', 1, { ...notReady, containerStatuses: [status] })
  const starting = pod('scheduler', 's', 1, notReady)
  const going = pod('worker', 'w', 1)
  const servers = serversOf([crashed, starting, { ...going, metadata: { ...going.metadata, deletionTimestamp: 'x' } }])
  expect(servers.map(({ name, state, restarts }) => [name, state, restarts])).toEqual([
    ['cas', 'crashed', 1],
    ['scheduler', 'starting', 0],
  ])
})
