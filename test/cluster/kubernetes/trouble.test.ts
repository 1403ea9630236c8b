import { expect, test } from 'vitest'
import type { ContainerStatus, Pod, Warning } from '../../../src/cluster/kubernetes/pods.ts'
import { troubleOf } from '../../../src/cluster/kubernetes/trouble.ts'

const options = { restartsMax: 1, imageGraceMs: 0 }

function pod(status: Partial<Pod['status']>): Pod {
  const metadata = { name: 'p', namespace: 'n', uid: 'u', creationTimestamp: '2026-11-24T00:00:00Z' }
  return { metadata, status: { phase: 'Pending', ...status } }
}

function container(part: Partial<ContainerStatus>): Pod {
  return pod({ containerStatuses: [{ name: 'c', ready: false, restartCount: 0, state: {}, ...part }] })
}

const waiting = (reason: string, message = 'words') => ({ state: { waiting: { reason, message } } })
const scheduled = (reason: string) =>
  pod({ conditions: [{ type: 'PodScheduled', status: 'False', reason, message: 'any words at all' }] })

test('a pod that no node takes is judged by its reason, after a short grace', () => {
  expect(troubleOf(scheduled('Unschedulable'), [], options)).toMatchObject({
    kind: 'exhausted',
    said: 'Unschedulable: any words at all',
    graceMs: 5_000,
  })
  expect(troubleOf(scheduled('SchedulerError'), [], options)).toBeUndefined()
})

test.each(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName'])('an image that cannot be had (%s)', (reason) => {
  expect(troubleOf(container(waiting(reason)), [], options)).toMatchObject({ kind: 'not-found', graceMs: 0 })
  expect(troubleOf(container(waiting(reason)), [], { ...options, imageGraceMs: 60_000 })).toMatchObject({
    graceMs: 60_000,
  })
})

test('a crash loop counts from the second end on; its log is that of the run before', () => {
  const ended = { lastState: { terminated: { exitCode: 1, reason: 'Error' } } }
  const looping = (restartCount: number) => container({ ...waiting('CrashLoopBackOff'), ...ended, restartCount })
  expect(troubleOf(looping(0), [], options)).toBeUndefined()
  expect(troubleOf(looping(1), [], options)).toMatchObject({
    kind: 'program',
    said: expect.stringContaining('exit code 1'),
    log: { container: 'c', previous: true },
  })
})

test('a crash of an init container counts as one of the others', () => {
  const crashed = {
    name: 'init',
    ready: false,
    restartCount: 1,
    ...waiting('CrashLoopBackOff'),
    lastState: { terminated: { exitCode: 3 } },
  }
  expect(troubleOf(pod({ initContainerStatuses: [crashed] }), [], options)).toMatchObject({
    kind: 'program',
    log: { container: 'init' },
  })
})

test('a container killed for its memory counts at once, but not when it is back', () => {
  const killed = { exitCode: 137, reason: 'OOMKilled' }
  expect(troubleOf(container({ state: { terminated: killed } }), [], options)).toMatchObject({ kind: 'exhausted' })
  const back = container({ state: { running: { startedAt: 'x' } }, lastState: { terminated: killed } })
  expect(troubleOf(back, [], options)).toBeUndefined()
})

test('a volume that cannot be mounted counts while no container has begun', () => {
  const involvedObject = { kind: 'Pod', name: 'p', uid: 'u' }
  const warning: Warning = {
    metadata: { name: 'e', namespace: 'n' },
    involvedObject,
    reason: 'FailedMount',
    message: 'configmap "x" not found',
  }
  const creating = container(waiting('ContainerCreating', ''))
  expect(troubleOf(creating, [warning], options)).toMatchObject({ kind: 'precondition', graceMs: 15_000 })
  const other = { ...warning, involvedObject: { ...involvedObject, uid: 'other' } }
  expect(troubleOf(creating, [other], options)).toBeUndefined()
  expect(troubleOf(container({ state: { running: { startedAt: 'x' } } }), [warning], options)).toBeUndefined()
})
