import { expect, test } from 'vitest'
import { addressesAt, spellingsOf } from '../../../src/cluster/kind/door.ts'
import type { Deployment } from '../../../src/config/deployment.ts'

const paths = { tls: '/state/tls' }
const hosts = { cache: '172.20.255.4', scheduler: '172.20.255.5' }
const published = { cache: 50_051, scheduler: 50_052 }
const tls = { ca: '/state/tls/ca.pem' }
const certificates = { client_ca: '/ca.pem' }
/** Our own programs have certificates of our own authority. */
const own = { ...tls, cert: '/state/tls/client.pem', key: '/state/tls/client.key' }

test.each([
  [{}, null, { address: '172.20.255.5', url: 'grpc://172.20.255.5' }],
  [{}, published, { address: '127.0.0.1:50052', url: 'grpc://127.0.0.1:50052' }],
  [{ tls: 'auto' as const }, null, { address: '172.20.255.5:443', url: 'grpcs://172.20.255.5:443', tls }],
  [{ tls: 'auto' as const }, published, { address: '127.0.0.1:50052', url: 'grpcs://127.0.0.1:50052', tls }],
  [{ tls: certificates }, null, { address: '172.20.255.5:443', url: 'grpcs://172.20.255.5:443', tls: own }],
])('the scheduler of a deployment %j, published at %j, is at %j', (deployment, at, expected) => {
  expect(addressesAt(paths, { deployment, published: at }, hosts).scheduler).toEqual(expected)
})

test('no address leads to the console where a Gateway cannot tell its calls apart', () => {
  const at = (deployment: Deployment) => addressesAt(paths, { deployment, published: null }, hosts).console
  expect(at({ tls: 'auto' })).toMatchObject({ url: 'grpcs://172.20.255.4:443', hasPage: false })
  expect(at({ tls: certificates })).toBeUndefined()
})

test('a client that leaves out the usual port asks for its token without it', () => {
  const deployment = { tls: 'auto' as const }
  const spelled = spellingsOf(addressesAt(paths, { deployment, published: null }, hosts), deployment)
  expect(spelled).toEqual(['172.20.255.4', '172.20.255.4:443', '172.20.255.5', '172.20.255.5:443'])
  const plain = spellingsOf(addressesAt(paths, { deployment: {}, published: null }, hosts), {})
  expect(plain).toContain('172.20.255.4:80')
  expect(spellingsOf(addressesAt(paths, { deployment, published }, hosts), deployment)).toEqual([
    '127.0.0.1:50051',
    '127.0.0.1:50052',
  ])
})
