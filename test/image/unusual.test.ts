import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { copyImage } from '../../src/image/copy.ts'
import { openDockerArchiveDestination } from '../../src/image/media/archive/docker-archive.ts'
import { openLayoutSource } from '../../src/image/media/layout.ts'
import { testFolder } from '../fixture/folder.ts'
import { makeImage, writeLayout } from '../fixture/image.ts'
import { type Content, config, content, layer, manifest, memorySource } from '../fixture/memory-places.ts'

const { signal } = new AbortController()

async function archive(contents: readonly Content[]): Promise<string> {
  const folder = await testFolder()
  const destination = await openDockerArchiveDestination(join(folder, 'image.tar'), undefined)
  await copyImage(memorySource(contents), destination, { platform: 'all', preserveDigests: false, signal }).catch(
    async (error: unknown) => {
      expect(await readdir(folder)).toEqual([])
      throw error
    },
  )
  return folder
}

const described = (of: Content, layers: readonly Content[] = []): Content =>
  content('application/vnd.oci.image.manifest.v1+json', () =>
    Buffer.from(
      JSON.stringify({ schemaVersion: 2, config: of.descriptor, layers: layers.map((each) => each.descriptor) }),
    ),
  )

describe('what no reader of docker archives would take', () => {
  it('is not written: an artifact', async () => {
    const facts = content('application/vnd.example.facts+json', () => Buffer.from('{}'))
    await expect(archive([described(facts), facts])).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('artifact'),
    })
  })

  it('is not written: a config of fewer layers than the manifest', async () => {
    const one = layer('one')
    await expect(archive([manifest([one.descriptor]), config, one])).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('names 0 layers, its manifest 1'),
    })
  })

  it('is not written: a config that is not JSON', async () => {
    const broken = content('application/vnd.oci.image.config.v1+json', () => Buffer.from('{'))
    await expect(archive([described(broken), broken])).rejects.toMatchObject({ kind: 'invalid' })
  })
})

describe('a name in a layout', () => {
  it.each([
    ['application/vnd.example.thing+json', /not a known type of manifest/],
    ['application/vnd.docker.distribution.manifest.v1+prettyjws', /schema 1/],
  ])('of something of the type %s is there, but no image', async (mediaType, says) => {
    const folder = await testFolder()
    await writeLayout(folder, await makeImage(), 'good')
    const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8'))
    const annotations = { 'org.opencontainers.image.ref.name': 'odd' }
    index.manifests.push({ ...index.manifests[0], mediaType, annotations })
    await writeFile(join(folder, 'index.json'), JSON.stringify(index))
    await expect(openLayoutSource(folder, 'odd')).rejects.toThrow(says)
    await expect(openLayoutSource(folder, 'none')).rejects.toMatchObject({ kind: 'not-found' })
    await (await openLayoutSource(folder, 'good')).close()
  })
})
