import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { kindPaths } from '../../../../src/cluster/kind/paths.ts'
import { renderSteps } from '../../../../src/cluster/kind/rollout/render.ts'
import type { RenderOptions } from '../../../../src/cluster/options.ts'
import { testFolder } from '../../../fixture/folder.ts'
import { ran } from '../../../fixture/steps.ts'

async function rendered(part: Partial<RenderOptions> = {}): Promise<{ folder: string; lines: string[] }> {
  const folder = part.folder ?? join(await testFolder(), 'objects')
  const options: RenderOptions = { folder, gateway: 'envoy', image: 'example.com/native:1', ...part }
  return { folder, lines: await ran(renderSteps(await context(), options)) }
}

async function context() {
  const home = await testFolder()
  return {
    paths: kindPaths('native', { env: {}, home, tmp: home, uid: 0 }),
    machine: { platform: 'linux', arch: 'x64', cpus: 2 },
    release: '1',
  }
}

describe('a deployment as files', () => {
  it('says what it wrote and how to apply it', async () => {
    const { folder, lines } = await rendered()
    expect(lines.join('\n')).toContain(`kubectl apply -k ${folder}`)
  })

  it('says how the Secret is made that is not in it, on the terminal and in the files', async () => {
    const { folder, lines } = await rendered()
    const command = 'kubectl create secret generic servers-secret --namespace native --from-literal=secret='
    expect(lines.join('\n')).toContain(command)
    expect(await readFile(join(folder, 'kustomization.yaml'), 'utf8')).toContain(`#   ${command}`)
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

  it('has no certificates and tokens in it, and so refuses to be asked for them in a file', async () => {
    const configFile = join(await testFolder(), 'd.yaml')
    for (const text of ['tls: auto', 'tls: { client_ca: ca.pem }', 'access: team']) {
      await writeFile(configFile, text)
      await expect(rendered({ configFile })).rejects.toMatchObject({ kind: 'unimplemented' })
    }
    await writeFile(configFile, 'tls: off\naccess: none\n')
    await rendered({ configFile })
  })

  it('has no addresses of this machine', async () => {
    const { folder } = await rendered()
    expect(await readFile(join(folder, 'operations/kustomization.yaml'), 'utf8')).not.toContain('addresses.yaml')
    expect(await readFile(join(folder, 'operations/gateways.yaml'), 'utf8')).not.toContain('loadBalancerIPs')
  })

  it.each([
    ['no image', { image: undefined }, '--image'],
    ['a file that is wrong', { configFile: 'wrong' }, 'wrong.yaml:1'],
  ] as const)('is not written with %s', async (_, part, where) => {
    const { image, configFile } = { image: 'example.com/native:1', configFile: undefined, ...part }
    const wrong = join(await testFolder(), 'wrong.yaml')
    await writeFile(wrong, 'wrokers: 1\n')
    const folder = join(await testFolder(), 'objects')
    const options = {
      folder,
      ...(image !== undefined && { image }),
      ...(configFile !== undefined && { configFile: wrong }),
    }
    await expect(ran(renderSteps(await context(), options))).rejects.toMatchObject({
      kind: 'invalid',
      where: expect.stringContaining(where),
    })
    await expect(readFile(join(folder, 'kustomization.yaml'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
