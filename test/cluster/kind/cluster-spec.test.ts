import { describe, expect, it } from 'vitest'
import { clusterSpecOf } from '../../../src/cluster/kind/cluster-spec.ts'
import type { KindSettings } from '../../../src/cluster/kind/context.ts'
import type { KindMemory } from '../../../src/cluster/kind/state.ts'
import type { UpOptions } from '../../../src/cluster/options.ts'

const settings: KindSettings = {
  profile: 'cilium',
  nodes: 2,
  nodeImage: 'settled:1',
  registryImage: 'r',
  controllers: {},
  archives: [],
  mirrors: [],
  bases: {},
  policies: [],
  unverified: [],
}
const memory: KindMemory = {
  version: 1,
  name: 'n',
  profile: 'envoy',
  nodes: 1,
  nodeImage: 'made:1',
  archives: [{ file: '/a.tar', names: ['a'] }],
  mirrors: ['a.io=https://1', 'b.io=https://2'],
  bases: {},
  publish: false,
  published: null,
  container: 'c',
  network: null,
  pool: null,
  controllers: null,
  madeKubeconfig: true,
  deployment: null,
  images: null,
}
const asked = (options: Omit<UpOptions, 'retain'>, before?: KindMemory) =>
  clusterSpecOf({ retain: false, ...options }, before, settings, '/here')

describe('what a cluster is to be', () => {
  it('is what the settings say, where nothing else does', () => {
    expect(asked({})).toEqual({
      profile: 'cilium',
      nodes: 2,
      nodeImage: 'settled:1',
      archives: [],
      mirrors: [],
      publish: null,
    })
  })

  it('is what flags say, before the settings', () => {
    const options = {
      nodes: 3,
      nodeImage: 'flag:1',
      gateway: 'envoy',
      imageArchives: ['x.tar'],
      publish: true,
    } as const
    expect(asked(options)).toMatchObject({
      profile: 'envoy',
      nodes: 3,
      nodeImage: 'flag:1',
      archives: ['/here/x.tar'],
      publish: true,
    })
    expect(asked({ kubernetesVersion: '1.34.4' })).toMatchObject({ nodeImage: 'kindest/node:v1.34.4' })
  })

  it('is what it was given before, whatever the settings say by now', () => {
    expect(asked({}, memory)).toMatchObject({ profile: 'envoy', nodes: 1, nodeImage: 'made:1', publish: false })
    expect(asked({}, { ...memory, nodeImage: null })).toMatchObject({ nodeImage: null })
  })

  it('may get more archives and other mirrors while it is there', () => {
    const options = { imageArchives: ['/a.tar', 'b.tar'], registryMirrors: ['b.io=https://3'] }
    expect(asked(options, memory)).toMatchObject({
      archives: ['/a.tar', '/here/b.tar'],
      mirrors: ['a.io=https://1', 'b.io=https://3'],
    })
  })

  it.each([
    [{ nodes: 2 }, '--nodes'],
    [{ nodeImage: 'other:1' }, '--image'],
    [{ kubernetesVersion: '1.34.4' }, '--kubernetes-version'],
    [{ gateway: 'cilium' }, '--gateway'],
    [{ publish: true }, '--publish'],
  ] as const)('is not changed while it is there: %j', (options, where) => {
    expect(() => asked(options, memory)).toThrow(
      expect.objectContaining({ kind: 'precondition', where, next: [expect.stringContaining('native down')] }),
    )
    expect(() => asked(options, { ...memory, container: null })).not.toThrow()
  })

  it('may be said again', () => {
    const options = { nodes: 1, nodeImage: 'made:1', gateway: 'envoy', publish: false } as const
    expect(() => asked(options, memory)).not.toThrow()
  })

  it.each([
    [{ nodeImage: 'x', kubernetesVersion: '1.34' }, '--kubernetes-version'],
    [{ registryMirrors: ['docker.io'] }, '--registry-mirror'],
  ])('makes sense: %j', (options, where) => {
    expect(() => asked(options)).toThrow(expect.objectContaining({ kind: 'invalid', where }))
  })
})
