import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { kindSettings } from '../../../src/cluster/kind/settings.ts'
import { testFolder } from '../../fixture/folder.ts'

async function written(text: string): Promise<string> {
  const root = await testFolder()
  await mkdir(join(root, 'native'))
  await writeFile(join(root, 'native/kind.yaml'), text)
  return root
}

describe('the settings of kind clusters', () => {
  it('are one node and controllers that fit each other where there is no file', async () => {
    expect(await kindSettings(await testFolder())).toEqual({
      profile: 'envoy',
      nodes: 1,
      controllers: [expect.stringContaining('metallb'), expect.stringContaining('envoyproxy/gateway')],
      archives: [],
    })
  })

  it('are what the file says', async () => {
    const root = await written(
      'nodes: 2\nnode_image: n:1\ncontrollers: [/c.yaml]\narchives: [{file: /a.tar, names: [docker.io/a:1]}]\nimages: {server: s, worker: w}\n',
    )
    expect(await kindSettings(root)).toEqual({
      profile: 'envoy',
      nodes: 2,
      nodeImage: 'n:1',
      controllers: ['/c.yaml'],
      archives: [{ file: '/a.tar', names: ['docker.io/a:1'] }],
      images: { server: 's', worker: 'w' },
    })
  })

  it('are refused at the line of a mistake', async () => {
    await expect(kindSettings(await written('nodes: 1\nnode: x\n'))).rejects.toMatchObject({
      kind: 'invalid',
      where: expect.stringContaining('kind.yaml:2'),
    })
  })

  it('say that cilium is not installed yet', async () => {
    await expect(kindSettings(await written('gateway: cilium\n'))).rejects.toMatchObject({ kind: 'unimplemented' })
  })
})
