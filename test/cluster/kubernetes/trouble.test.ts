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

test.each(['ErrImagePull', 'ImagePullBackOff'])('an image that cannot be had (%s)', (reason) => {
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

test('a warning from before a container began last is of another time, one that came since is not', () => {
  const warning = (lastTimestamp: string): Warning => ({
    metadata: { name: 'e', namespace: 'n' },
    involvedObject: { kind: 'Pod', name: 'p', uid: 'u' },
    reason: 'FailedMount',
    message: 'secret "x" not found',
    lastTimestamp,
  })
  const rebooted = container({
    state: { terminated: { exitCode: 255, reason: 'Unknown', startedAt: '2026-11-24T11:13:49Z' } },
  })
  expect(troubleOf(rebooted, [warning('2026-11-24T11:13:47Z')], options)).toBeUndefined()
  expect(troubleOf(rebooted, [warning('2026-11-24T11:16:00Z')], options)).toMatchObject({ kind: 'precondition' })
})

test('no room while pods are being removed has time until they are gone, and the scheduler has looked again', () => {
  const room = { ending: 0, ended: false, unready: [] }
  const trouble = (changes: object) => troubleOf(scheduled('Unschedulable'), [], options, { ...room, ...changes })
  expect(trouble({ ending: 2 })).toMatchObject({ kind: 'exhausted', graceMs: 90_000 })
  expect(trouble({ ended: true })).toMatchObject({ kind: 'exhausted', graceMs: 15_000 })
  expect(trouble({})?.next).toContain('--workers')
})

test('no room on a node that is not ready is not answered by fewer workers', () => {
  const room = { ending: 1, ended: false, unready: ['n1'] }
  const trouble = troubleOf(scheduled('Unschedulable'), [], options, room)
  expect(trouble).toMatchObject({ kind: 'unavailable', graceMs: 90_000 })
  expect(trouble?.next).toContain('n1')
  expect(trouble?.next).not.toContain('--workers')
})

test('an image that nobody will try to pull counts at once, and the next step is that of its place', () => {
  const patient = { ...options, imageGraceMs: 60_000, imageNext: 'Bring it.' }
  expect(troubleOf(container(waiting('InvalidImageName')), [], patient)).toMatchObject({ graceMs: 0 })
  expect(troubleOf(container(waiting('ErrImagePull')), [], patient)).toMatchObject({
    failedTry: true,
    next: 'Bring it.',
  })
  expect(troubleOf(container(waiting('ImagePullBackOff')), [], patient)).toMatchObject({ failedTry: false })
})
