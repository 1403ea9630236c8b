import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { followLogs, recentLogs } from '../../../src/cluster/kubernetes/logs.ts'
import { type Pod, podSchema } from '../../../src/cluster/kubernetes/pods.ts'
import { faultyServer, json, stream } from './server.ts'

const started = { running: { startedAt: '2026-11-24T00:00:00Z' } }

function pod(state: object, resourceVersion = '1') {
  return {
    metadata: {
      name: 'p',
      namespace: 'n',
      uid: 'u',
      creationTimestamp: '2026-11-24T00:00:00Z',
      resourceVersion,
    },
    status: { phase: 'Running', containerStatuses: [{ name: 'c', ready: true, restartCount: 0, state }] },
  }
}

/** Log lines as kubelet stamps them, one for each of the seconds given. */
function stamped(seconds: readonly number[], end: 'close' | 'cut' | 'open') {
  return (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200)
    for (const each of seconds) response.write(`2026-11-24T00:00:0${each}.000000000Z line ${each}\n`)
    if (end === 'close') response.end()
    if (end === 'cut') response.write('2026-11-24T00:00:09', () => response.destroy())
  }
}

const choose = (pods: readonly Pod[]) => pods.map((each) => ({ name: 'cas', pod: each }))

test('a log that breaks off goes on where it was, without a line twice', async () => {
  const logs = [stamped([1, 2], 'cut'), stamped([2, 3], 'close'), stamped([3, 4], 'open')]
  await using server = await faultyServer([
    (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://test')
      if (pathname.endsWith('/log')) return (logs.length > 1 ? logs.shift() : logs[0])?.(request, response)
      const pods = { metadata: { resourceVersion: '1' }, items: [pod(started)] }
      return (searchParams.has('watch') ? stream([], 'open') : json(pods))(request, response)
    },
  ])
  const abort = new AbortController()
  const seen: string[] = []
  for await (const { server: name, text } of followLogs(server.kubernetes, {
    namespace: 'n',
    lines: 5,
    signal: abort.signal,
    choose,
  })) {
    seen.push(`${name} ${text}`)
    if (seen.length === 4) abort.abort()
  }
  expect(seen).toEqual(['cas line 1', 'cas line 2', 'cas line 3', 'cas line 4'])
  const asked = server.requests.filter(({ pathname }) => pathname.endsWith('/log'))
  expect(asked.map(({ searchParams }) => [searchParams.get('tailLines'), searchParams.get('sinceTime')])).toEqual([
    ['5', null],
    [null, '2026-11-24T00:00:02.000000000Z'],
    [null, '2026-11-24T00:00:03.000000000Z'],
  ])
})

test('a pod that has not started is waited for with follow, and told in a line without', async () => {
  const waiting = { waiting: { reason: 'ContainerCreating' } }
  await using server = await faultyServer([
    (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://test')
      const pods = { metadata: { resourceVersion: '1' }, items: [pod(waiting)] }
      const event = { type: 'MODIFIED', object: pod(started, '2') }
      if (pathname.endsWith('/log')) return stamped([1], 'open')(request, response)
      return (searchParams.has('watch') ? stream([event], 'open') : json(pods))(request, response)
    },
  ])
  const signal = new AbortController().signal
  const named = [{ name: 'cas', pod: podSchema.parse(pod(waiting)) }]
  for await (const line of recentLogs(server.kubernetes, named, { lines: 5, signal }))
    expect(line).toEqual({ server: 'cas', text: '(not started yet: ContainerCreating)' })
  for await (const line of followLogs(server.kubernetes, { namespace: 'n', lines: 5, signal, choose })) {
    expect(line).toEqual({ server: 'cas', text: 'line 1' })
    break
  }
})

test('from a time on, kubelet is asked for no more', async () => {
  await using server = await faultyServer([
    (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://test')
      const pods = { metadata: { resourceVersion: '1' }, items: [pod(started)] }
      if (!pathname.endsWith('/log'))
        return (searchParams.has('watch') ? stream([], 'open') : json(pods))(request, response)
      return searchParams.has('follow') ? stamped([1, 2], 'open')(request, response) : response.end('{"msg":"x"}\n')
    },
  ])
  const signal = new AbortController().signal
  const sinceMs = Date.parse('2026-11-24T00:00:02Z')
  const named = [{ name: 'cas', pod: podSchema.parse(pod(started)) }]
  for await (const { text } of recentLogs(server.kubernetes, named, { lines: 5, sinceMs, signal }))
    expect(text).toBe('{"msg":"x"}')
  for await (const { text } of followLogs(server.kubernetes, { namespace: 'n', lines: 5, sinceMs, signal, choose })) {
    expect(text).toBe('line 2')
    break
  }
  const asked = server.requests.filter(({ pathname }) => pathname.endsWith('/log'))
  expect(asked.map(({ searchParams }) => searchParams.get('sinceTime'))).toEqual([
    '2026-11-24T00:00:02.000Z',
    '2026-11-24T00:00:01.999000000Z',
  ])
})
