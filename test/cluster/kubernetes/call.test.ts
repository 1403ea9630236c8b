import { expect, test } from 'vitest'
import { call, lines } from '../../../src/cluster/kubernetes/call.ts'
import { connectKubernetes } from '../../../src/cluster/kubernetes/connect.ts'
import { listPods, podSchema, podsPath } from '../../../src/cluster/kubernetes/pods.ts'
import { watched } from '../../../src/cluster/kubernetes/watch.ts'
import { faultyServer, json, kubeconfigFor, refusal, stream } from './server.ts'

const request = { path: '/api/v1/namespaces/n/pods/p', object: 'Pod n/p' }

test('asks again while the server is away or overloaded, and says why it waits', async () => {
  await using server = await faultyServer([
    refusal(503, 'apiserver is shutting down'),
    (_, response) => response.destroy(),
    refusal(429, 'too many requests'),
    json({ kind: 'Pod' }),
  ])
  const said: string[] = []
  const patient = { ...server.kubernetes, patience: { msMax: 10_000, say: (text: string) => void said.push(text) } }
  expect((await call(patient, request)).body).toEqual({ kind: 'Pod' })
  expect(server.requests).toHaveLength(4)
  expect(said[0]).toContain('apiserver is shutting down')
})

test('what is null counts as left out, in an answer, a list and an event', async () => {
  const pod = (name: string, version: string) => ({
    metadata: { name, namespace: 'n', uid: name, creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: version },
    status: { phase: 'Pending', conditions: null, containerStatuses: null, reason: null },
  })
  const said = { status: { conditions: null, addresses: [null, 'a'] } }
  await using server = await faultyServer([
    json(said),
    json({ items: null }),
    json({ items: [pod('one', '1')] }),
    json({ metadata: { resourceVersion: '1' }, items: null }),
    stream([{ type: 'ADDED', object: pod('two', '2') }], 'open'),
  ])
  const { kubernetes } = server
  expect((await call(kubernetes, request)).body).toEqual({ status: { addresses: [null, 'a'] } })
  expect(await listPods(kubernetes, 'n')).toEqual([])
  expect(await listPods(kubernetes, 'n')).toMatchObject([{ metadata: { name: 'one' }, status: { phase: 'Pending' } }])
  const pods = watched(kubernetes, { path: podsPath('n'), schema: podSchema })
  const end = new AbortController()
  const running = pods.run(end.signal, () => {
    if (pods.items.has('n/two')) end.abort(new Error('seen'))
  })
  await expect(running).rejects.toThrow('seen')
})

test('without patience, a server that is not there is told at once, with its address', async () => {
  const server = await faultyServer([json({})], 0)
  await server[Symbol.asyncDispose]()
  const { kubernetes } = server
  await expect(call(kubernetes, request)).rejects.toMatchObject({ kind: 'unavailable', where: kubernetes.server })
})

test.each([
  [400, 'invalid'],
  [401, 'denied'],
  [403, 'denied'],
  [404, 'not-found'],
  [409, 'precondition'],
  [422, 'invalid'],
] as const)('a refusal %i keeps the words of the server, names the object and tells what to do', async (code, kind) => {
  await using server = await faultyServer([refusal(code, 'because of this')], 0)
  await expect(call(server.kubernetes, request)).rejects.toMatchObject({
    kind,
    message: expect.stringContaining('because of this'),
    where: 'Pod n/p',
    next: [expect.any(String)],
  })
  expect(server.requests).toHaveLength(1)
})

test('what exists already is told from what was changed by another', async () => {
  await using server = await faultyServer([refusal(409, 'pods "p" already exists', { reason: 'AlreadyExists' })])
  await expect(call(server.kubernetes, request)).rejects.toMatchObject({ kind: 'exists' })
})

test('fields at fault are named one by one', async () => {
  const causes = [{ reason: 'FieldValueInvalid', field: 'spec.replicas', message: 'must be positive' }]
  await using server = await faultyServer([refusal(422, 'Pod "p" is invalid', { details: { causes } })])
  await expect(call(server.kubernetes, request)).rejects.toMatchObject({ output: 'spec.replicas: must be positive' })
})

test('a namespace that is still being removed is waited for', async () => {
  const details = { causes: [{ reason: 'NamespaceTerminating' }] }
  await using server = await faultyServer([refusal(403, 'being terminated', { details }), json({})])
  expect((await call(server.kubernetes, request)).status).toBe(200)
})

test('a server that has just started refuses everybody for a moment', async () => {
  await using server = await faultyServer([refusal(403, 'forbidden'), refusal(401, 'who is that'), json({})])
  expect((await call(server.kubernetes, request)).status).toBe(200)
})

test('what fits no schema is a 500 of a patch alone, and is not tried again', async () => {
  const answer = refusal(500, 'failed to create typed patch object: .dota: field not declared in schema')
  await using server = await faultyServer([answer, json({})])
  const patch = { ...request, method: 'PATCH', body: { type: 'application/apply-patch+yaml', text: '{}' } } as const
  await expect(call(server.kubernetes, patch)).rejects.toMatchObject({ kind: 'invalid' })
  expect((await call(server.kubernetes, patch)).status).toBe(200)
})

test('a silent server is given up at the deadline', async () => {
  await using server = await faultyServer([() => undefined], 0)
  await expect(call(server.kubernetes, { ...request, msMax: 50 })).rejects.toMatchObject({ kind: 'deadline' })
})

test('an abort ends a call and a wait with its reason', async () => {
  const reason = new Error('interrupted')
  const silent = new AbortController()
  await using server = await faultyServer([() => silent.abort(reason)])
  await expect(call(server.kubernetes, { ...request, signal: silent.signal })).rejects.toBe(reason)

  const waiting = new AbortController()
  await using away = await faultyServer([refusal(503, 'away')], 60_000)
  const patience = { msMax: 60_000, say: () => waiting.abort(reason) }
  await expect(call({ ...away.kubernetes, patience }, { ...request, signal: waiting.signal })).rejects.toBe(reason)
})

test('lines come as they are sent, and a cut connection is an error that passes', async () => {
  await using server = await faultyServer([stream([{ a: 1 }, { a: 2 }], 'cut')])
  const seen: string[] = []
  const reading = async () => {
    for await (const line of lines(server.kubernetes, request)) seen.push(line)
  }
  await expect(reading()).rejects.toMatchObject({ kind: 'unavailable' })
  expect(seen).toEqual(['{"a":1}', '{"a":2}'])
})

test('the context is the one that is named, never the current one', async () => {
  await using server = await faultyServer([json({ from: 'test' })])
  expect((await call(server.kubernetes, request)).body).toEqual({ from: 'test' })
  const kubeconfig = await kubeconfigFor('http://127.0.0.1:1')
  await expect(connectKubernetes({ kubeconfig, context: 'none' })).rejects.toMatchObject({
    kind: 'not-found',
    where: kubeconfig,
  })
  await expect(connectKubernetes({ kubeconfig: '/nowhere', context: 'test' })).rejects.toMatchObject({
    kind: 'not-found',
  })
})
