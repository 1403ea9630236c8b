import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { createToken, readTokens, revokeToken } from '../../../../src/access/tokens-file.ts'
import { sendTokens, tokensOf } from '../../../../src/cluster/kind/rollout/tokens.ts'
import { systemClock } from '../../../../src/core/clock.ts'
import { takeLock } from '../../../../src/host/process-lock.ts'
import { faultyServer, json, refusal } from '../../kubernetes/server.ts'
import { kindWorld } from '../world.ts'

/** As much of an API server as has the Secret of the tokens, and three pods that are told of it. */
async function serverWithPods() {
  let stored = ''
  let version = 0
  const told: string[] = []
  const annotations: Record<string, Record<string, string>> = {}
  const fails = { pods: false }
  const pods = ['cas', 'scheduler', 'worker'].map((name) => ({
    metadata: {
      name,
      namespace: 'n',
      uid: name,
      creationTimestamp: '2026-11-29T00:00:00Z',
      labels: { 'app.kubernetes.io/name': name },
    },
    status: {},
  }))
  const secret = () => json({ metadata: { resourceVersion: String(version) } })
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname } = new URL(request.url ?? '', 'http://test')
    const body = request.method === 'PATCH' ? await text(request) : ''
    if (pathname === '/api/v1')
      return json({ resources: [{ name: 'secrets', kind: 'Secret', namespaced: true }] })(request, response)
    if (pathname === '/api/v1/namespaces/n/pods') {
      const items = pods.map((pod) => ({
        ...pod,
        metadata: { ...pod.metadata, annotations: annotations[pod.metadata.name] },
      }))
      return json({ items })(request, response)
    }
    if (pathname.startsWith('/api/v1/namespaces/n/pods/')) {
      if (fails.pods) return refusal(403, 'not now')(request, response)
      const name = pathname.slice('/api/v1/namespaces/n/pods/'.length)
      told.push(name)
      annotations[name] = { ...annotations[name], ...JSON.parse(body).metadata.annotations }
      return json({})(request, response)
    }
    if (pathname !== '/api/v1/namespaces/n/secrets/clients-tokens') return json({}, 500)(request, response)
    if (request.method === 'PATCH' && body !== stored) [stored, version] = [body, version + 1]
    return version === 0 ? json({}, 404)(request, response) : secret()(request, response)
  }
  const server = await faultyServer([(request, response) => void answer(request, response)], 0)
  const inside = () => Buffer.from(JSON.parse(stored).data['tokens.json'], 'base64').toString()
  return { server, told, fails, inside }
}

test('the hashes go to the cluster, and the servers that ask for tokens are told when they change', async () => {
  const { context } = await kindWorld(() => [])
  const { server, told, inside } = await serverWithPods()
  await using _ = server
  const { tokens } = context.paths
  const wish = { role: 'reader', expiresMs: null } as const
  const { token } = await createToken(tokens, { ...wish, name: 'alice' }, systemClock)
  expect(await sendTokens(context, server.kubernetes)).toBe('created')
  expect(JSON.parse(inside()).tokens).toEqual(await readTokens(tokens))
  expect(inside()).not.toContain(token)
  told.length = 0
  expect(await sendTokens(context, server.kubernetes)).toBe('unchanged')
  expect(told).toEqual([])
  await createToken(tokens, { ...wish, name: 'bob' }, systemClock)
  expect(await sendTokens(context, server.kubernetes)).toBe('changed')
  expect(new Set(told)).toEqual(new Set(['cas', 'scheduler']))
})

test('servers that could not be told of a change are told the next time, when the Secret is as it should be', async () => {
  const { context } = await kindWorld(() => [])
  const { server, told, fails } = await serverWithPods()
  await using _ = server
  const { tokens } = context.paths
  await createToken(tokens, { role: 'reader', expiresMs: null, name: 'alice' }, systemClock)
  await sendTokens(context, server.kubernetes)
  await revokeToken(tokens, 'alice', systemClock)
  fails.pods = true
  await expect(sendTokens(context, server.kubernetes)).rejects.toMatchObject({ kind: 'denied' })
  fails.pods = false
  told.length = 0
  expect(await sendTokens(context, server.kubernetes)).toBe('unchanged')
  expect(new Set(told)).toEqual(new Set(['cas', 'scheduler']))
})

test('who has taken the lock to send is waited for, and the file is read after', async () => {
  const { context } = await kindWorld(() => [])
  const { server, inside } = await serverWithPods()
  await using _ = server
  const { tokens } = context.paths
  await createToken(tokens, { role: 'reader', expiresMs: null, name: 'alice' }, systemClock)
  const lock = await takeLock(`${tokens}.sent.lock`, { clock: systemClock })
  const sending = sendTokens(context, server.kubernetes)
  await revokeToken(tokens, 'alice', systemClock)
  await lock.release()
  await sending
  expect(JSON.parse(inside()).tokens).toEqual([])
})

test('a cluster whose clients need none has no tokens to change', async () => {
  const { context, remember } = await kindWorld(() => [])
  await expect(tokensOf(context)).rejects.toMatchObject({ kind: 'not-found' })
  await remember({ deployment: {} })
  await expect(tokensOf(context)).rejects.toMatchObject({ kind: 'precondition' })
  await remember({ deployment: { access: 'team' } })
  expect(await tokensOf(context)).toMatchObject({ file: context.paths.tokens })
})
