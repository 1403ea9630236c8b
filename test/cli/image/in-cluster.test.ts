import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { verifierOf } from '../../../src/cli/image/verify.ts'
import { Failure } from '../../../src/core/failure.ts'
import { testFolder } from '../../fixture/folder.ts'
import { makeImage, writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { root } from '../../fixture/program.ts'
import { startRegistry } from '../../fixture/registry/registry.ts'
import { keyPair } from '../../trust/fixture/deployment.ts'
import { putImage, putSignature } from '../../trust/fixture/put.ts'
import { asLayer, signSimple, simplePayload } from '../../trust/fixture/signing.ts'
import { copied } from './copying.ts'

/** Two clusters, each with a registry of its own. */
async function clusters() {
  const folder = await testFolder()
  const registries = { native: await startRegistry(), second: await startRegistry() }
  const around = testImageContext(folder, {
    retryTimes: 0,
    async findRegistry(cluster) {
      if (cluster !== 'native' && cluster !== 'second') throw new Failure('not-found', `there is no "${cluster}"`)
      return { host: registries[cluster].host, name: 'native-registry:5000' }
    },
  })
  const image = await makeImage()
  await writeLayout(join(folder, 'layout'), image, 'v1')
  await writeLayout(join(folder, 'named'), image, 'ghcr.io/team/app:2')
  const copy = (source: string | undefined, destination: string, more: object = {}) =>
    copied(folder, { ...(source === undefined ? {} : { source }), destination, around, ...more })
  const tags = (cluster: 'native' | 'second') => [...registries[cluster].manifests.keys()]
  return { folder, registries, around, image, copy, tags }
}

describe('a kind: place', () => {
  it("is the cluster's registry, and tells the name that pods use", async () => {
    const { folder, image, copy, tags } = await clusters()
    const done = await copy(`oci:${folder}/layout:v1`, 'kind:/app:1', { check: true })
    expect(done).toMatchObject({
      digest: image.digest,
      destination: 'kind:native/app:1',
      podsImage: `native-registry:5000/app@${image.digest}`,
      checked: true,
    })
    expect(tags('native')).toContain('app:1')
  })

  it('names the image as it is named where it comes from, when it names none itself', async () => {
    const { folder, registries, copy, tags } = await clusters()
    await copy(`oci:${folder}/named:ghcr.io/team/app:2`, 'kind:')
    await copy(`docker://${registries.native.host}/team/app:2`, 'kind:second')
    await copy('kind:/team/app:2', 'kind:second/other')
    await copy(`oci:${folder}/layout:v1`, `docker-archive:${folder}/a.tar:docker.io/library/tools:3`)
    await copy(`docker-archive:${folder}/a.tar:docker.io/library/tools:3`, 'kind:')
    expect(tags('native')).toEqual(expect.arrayContaining(['team/app:2', 'tools:3']))
    expect(tags('second')).toEqual(expect.arrayContaining(['team/app:2', 'other:latest']))
  })

  it('takes what is built by its own name and tag', async () => {
    const { folder, copy, tags } = await clusters()
    await mkdir(join(folder, 'data'))
    await writeFile(join(folder, 'data/file'), 'content')
    const definition = join(folder, 'mine.yaml')
    await writeFile(
      definition,
      'name: mine\nbase: scratch\nplatforms: [linux/amd64]\nfiles: [{from: data, to: /data}]\n',
    )
    const done = await copy(undefined, 'kind:', { definition })
    expect(done.destination).toMatch(/^kind:native\/mine:[0-9a-f]{32}$/)
    expect(tags('native')).toContain(done.destination?.slice('kind:native/'.length))
  })

  it('is a source too, and one in the same cluster is mounted', async () => {
    const { folder, registries, image, copy } = await clusters()
    await copy(`oci:${folder}/layout:v1`, 'kind:/app:1')
    expect((await copy('kind:/app:1', `dir:${folder}/out`)).digest).toBe(image.digest)
    registries.native.seen.length = 0
    expect((await copy('kind:/app:1', 'kind:/other:1')).result?.blobs).toMatchObject({ written: 0 })
    expect(registries.native.seen.some(({ method }) => method === 'PATCH')).toBe(false)
  })

  it.each([
    ['invalid', 'oci:LAYOUT:v1', 'kind:'],
    ['invalid', 'oci:LAYOUT', 'kind:'],
    ['invalid', 'kind:', 'dir:out'],
    ['not-found', 'oci:LAYOUT:v1', 'kind:third/app:1'],
    ['not-found', 'kind:second/app:1', 'kind:'],
  ] as const)('is refused as %s: %s to %s', async (kind, source, destination) => {
    const { folder, copy, tags } = await clusters()
    const from = source.replace('LAYOUT', join(folder, 'layout'))
    await expect(copy(from, destination)).rejects.toMatchObject({ kind })
    expect(tags('native')).toEqual([])
  })

  it('is verified under the name that pods use', async () => {
    const { folder, registries, around, copy } = await clusters()
    const digest = putImage(registries.native, '1')
    const keys = keyPair()
    putSignature(registries.native, digest, asLayer(signSimple(simplePayload(digest), keys.privateKey)), 'sig')
    await writeFile(join(folder, 'cosign.pub'), keys.publicKey.export({ type: 'spki', format: 'pem' }))
    const policy = join(folder, 'policy.yaml')
    const images = 'images: ["native-registry:5000/app"]'
    await writeFile(policy, `policies: [{${images}, log: ignored, signers: [{key: cosign.pub}]}]\n`)
    const verify = verifierOf({ policy: [policy] }, { cacheDir: folder, root }, around)
    expect(await copy('kind:/app:1', 'kind:second', { verify })).toMatchObject({ digest })
    putImage(registries.native, '2')
    await expect(copy('kind:/app:2', 'kind:second', { verify })).rejects.toMatchObject({
      kind: 'denied',
      where: 'kind:native/app:2',
    })
  })
})
