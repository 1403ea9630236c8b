import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type KindRequest, kindConfig } from '../../../../src/cluster/kind/nodes/config.ts'
import { root } from '../../../fixture/program.ts'

const file = join(root, 'templates/kind/cluster.yaml')
const request: KindRequest = { name: 'n', nodes: 1, profile: 'envoy', published: [] }

async function config(part: Partial<KindRequest> = {}) {
  return kindConfig(await readFile(file, 'utf8'), file, { ...request, ...part })
}

describe("kind's configuration", () => {
  it('is one node with an API server that answers this machine alone', async () => {
    expect(await config()).toMatchObject({
      name: 'n',
      networking: { apiServerAddress: '127.0.0.1' },
      nodes: [{ role: 'control-plane' }],
    })
  })

  it('has the nodes and the image that are asked for', async () => {
    const { nodes } = await config({ nodes: 3, image: 'node:1' })
    expect(nodes).toEqual([
      { role: 'control-plane', image: 'node:1' },
      { role: 'worker', image: 'node:1' },
      { role: 'worker', image: 'node:1' },
    ])
  })

  it('leaves the network to cilium, and to nobody else', async () => {
    expect((await config({ profile: 'cilium' })).networking).toMatchObject({
      disableDefaultCNI: true,
      kubeProxyMode: 'none',
    })
    expect((await config()).networking).not.toHaveProperty('disableDefaultCNI')
  })

  it('publishes on loopback only', async () => {
    const { nodes } = await config({ published: [{ hostPort: 50_051, nodePort: 30_051 }] })
    expect(nodes[0]).toMatchObject({
      extraPortMappings: [{ hostPort: 50_051, containerPort: 30_051, listenAddress: '127.0.0.1' }],
    })
  })

  it('is refused where the template is none, at its line', () => {
    expect(() => kindConfig('kind: Cluster\nnodes: []\n', 'k.yaml', request)).toThrow(
      expect.objectContaining({ kind: 'invalid', where: expect.stringContaining('k.yaml:') }),
    )
  })
})
