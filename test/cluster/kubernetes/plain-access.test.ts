import type { RequestOptions } from 'node:https'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { plainAccess } from '../../../src/cluster/kubernetes/plain-access.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const server = { server: 'https://127.0.0.1:6443', 'certificate-authority-data': base64('ca') }
const user = { 'client-certificate-data': base64('certificate'), 'client-key-data': base64('key') }

function kubeconfig(changes: { cluster?: object; user?: object } = {}): string {
  return stringify({
    'current-context': 'other',
    clusters: [{ name: 'c', cluster: { ...server, ...changes.cluster } }],
    users: [{ name: 'u', user: { ...user, ...changes.user } }],
    contexts: [{ name: 'kind-c', context: { cluster: 'c', user: 'u', namespace: 'n' } }],
  })
}

test('a kubeconfig as kind writes it is read without client-node', async () => {
  const access = plainAccess(kubeconfig(), 'kind-c')
  expect(access?.server).toBe('https://127.0.0.1:6443')
  const options: RequestOptions = {}
  await access?.authorize(options)
  expect(options).toEqual({ ca: Buffer.from('ca'), cert: Buffer.from('certificate'), key: Buffer.from('key') })
})

test.each([
  ['another way to say who one is', kubeconfig({ user: { exec: { command: 'login' } } }), 'kind-c'],
  ['a token', kubeconfig({ user: { token: 'secret' } }), 'kind-c'],
  ['a server behind a proxy', kubeconfig({ cluster: { 'proxy-url': 'http://proxy' } }), 'kind-c'],
  ['a server without TLS', kubeconfig({ cluster: { server: 'http://127.0.0.1:1' } }), 'kind-c'],
  ['a context that is not there', kubeconfig(), 'kind-other'],
  ['what is not YAML', '{', 'kind-c'],
])('%s is left to client-node', (_, text, context) => {
  expect(plainAccess(text, context)).toBeUndefined()
})
