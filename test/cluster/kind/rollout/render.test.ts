import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type RenderOptions, renderSteps } from '../../../src/cluster/kind/render.ts'
import { testFolder } from '../../fixture/folder.ts'
import { ran } from '../../fixture/steps.ts'

async function rendered(part: Partial<RenderOptions> = {}): Promise<{ folder: string; lines: string[] }> {
  const folder = part.folder ?? join(await testFolder(), 'objects')
  const options: RenderOptions = {
    folder,
    driver: 'kind',
    profile: 'envoy',
    namespace: 'native',
    image: 'example.com/native:1',
    machine: { platform: 'linux', arch: 'x64', cpus: 2 },
    release: '1',
    ...part,
  }
  return { folder, lines: await ran(renderSteps(options)) }
}

describe('a deployment as files', () => {
  it('says what it wrote and how to apply it', async () => {
    const { folder, lines } = await rendered()
    expect(lines.join('\n')).toContain(`kubectl apply -k ${folder}`)
  })

  it('is what the flags and the file ask for, flags first', async () => {
    const configFile = join(await testFolder(), 'd.yaml')
    await writeFile(configFile, 'workers: 2\nslots: 3\n')
    const { folder } = await rendered({ configFile, workers: 4 })
    const text = await readFile(join(folder, 'application/worker.yaml'), 'utf8')
    expect(text).toContain('replicas: 4')
    expect(text).toContain('slots: 3')
  })

  it('names images in full, the workers by their own', async () => {
    const { folder } = await rendered({ image: 'user/native:1', workerImage: 'ghcr.io/o/tools:2' })
    expect(await readFile(join(folder, 'application/cas.yaml'), 'utf8')).toContain('image: docker.io/user/native:1')
    expect(await readFile(join(folder, 'application/worker.yaml'), 'utf8')).toContain('image: ghcr.io/o/tools:2')
  })

  it('has no addresses of this machine', async () => {
    const { folder } = await rendered()
    expect(await readFile(join(folder, 'operations/kustomization.yaml'), 'utf8')).not.toContain('addresses.yaml')
    expect(await readFile(join(folder, 'operations/gateways.yaml'), 'utf8')).not.toContain('loadBalancerIPs')
  })

  it.each([
    ['no image', { image: undefined }, '--image'],
    ['another driver', { driver: 'process' }, '--render'],
    ['a file that is wrong', { configFile: 'wrong' }, 'wrong.yaml:1'],
  ] as const)('is not written with %s', async (_, part, where) => {
    const { image, configFile, ...rest } = { image: 'example.com/native:1', configFile: undefined, ...part }
    const wrong = join(await testFolder(), 'wrong.yaml')
    await writeFile(wrong, 'wrokers: 1\n')
    const folder = join(await testFolder(), 'objects')
    const options = {
      folder,
      driver: 'kind',
      profile: 'envoy',
      namespace: 'native',
      machine: { platform: 'linux', arch: 'x64', cpus: 2 },
      release: '1',
      ...(image !== undefined && { image }),
      ...(configFile !== undefined && { configFile: wrong }),
      ...rest,
    } as const
    await expect(ran(renderSteps(options))).rejects.toMatchObject({
      kind: 'invalid',
      where: expect.stringContaining(where),
    })
    await expect(readFile(join(folder, 'kustomization.yaml'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
