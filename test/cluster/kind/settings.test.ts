import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { controllersOf, kindSettings } from '../../../src/cluster/kind/settings.ts'
import { testFolder } from '../../fixture/folder.ts'

async function written(text: string): Promise<string> {
  const root = await testFolder()
  await writeFile(join(root, 'kind.yaml'), text)
  return root
}

describe('the settings of kind clusters', () => {
  it('are cilium on one node and a published registry where there is no file', async () => {
    expect(await kindSettings(await testFolder())).toEqual({
      profile: 'cilium',
      nodes: 1,
      registryImage: 'docker.io/library/registry:3',
      controllers: {},
      archives: [],
      mirrors: [],
      bases: {},
      policies: [],
      unverified: [],
    })
  })

  it('are what the file says, whose own files are from its folder', async () => {
    const root = await written(
      [
        'gateway: envoy',
        'nodes: 2',
        'node_image: n:1',
        'registry_image: r:1',
        'controllers: {envoy: [c.yaml, https://example.com/c.yaml]}',
        'chart: oci://example.com/cilium',
        'archives: [a.tar, {file: /b.tar, names: [docker.io/b:1]}]',
        'mirrors: [docker.io=https://mirror.example.com]',
        'images: {server: s, worker: w}',
        "bases: {server: 'oci:/base:1'}",
        'policies: [trust.yaml]',
        'unverified: [registry.example.com/**]',
        '',
      ].join('\n'),
    )
    const near = (file: string) => join(root, file)
    expect(await kindSettings(root)).toEqual({
      profile: 'envoy',
      nodes: 2,
      nodeImage: 'n:1',
      registryImage: 'r:1',
      controllers: { envoy: [near('c.yaml'), 'https://example.com/c.yaml'] },
      chart: 'oci://example.com/cilium',
      archives: [{ file: near('a.tar') }, { file: '/b.tar', names: ['docker.io/b:1'] }],
      mirrors: ['docker.io=https://mirror.example.com'],
      images: { server: 's', worker: 'w' },
      bases: { server: 'oci:/base:1' },
      policies: [near('trust.yaml')],
      unverified: ['registry.example.com/**'],
    })
  })

  it.each([
    ['nodes: 1\nnode: x\n', ':2'],
    ['mirrors:\n  - docker.io\n', ':2'],
  ])('are refused at the line of a mistake', async (text, line) => {
    await expect(kindSettings(await written(text))).rejects.toMatchObject({
      kind: 'invalid',
      where: expect.stringContaining(`kind.yaml${line}`),
    })
  })

  it('have controllers for each gateway, of the file where it names them', async () => {
    const usual = await kindSettings(await testFolder())
    expect(controllersOf(usual, 'envoy').join()).toMatch(/metallb.*envoyproxy\/gateway/)
    expect(controllersOf(usual, 'cilium').join()).toMatch(/gateway-api/)
    const own = await kindSettings(await written('controllers: {cilium: [/c.yaml]}\n'))
    expect(controllersOf(own, 'cilium')).toEqual(['/c.yaml'])
    expect(controllersOf(own, 'envoy')).toEqual(controllersOf(usual, 'envoy'))
  })
})
