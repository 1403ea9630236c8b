import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readBack } from '../../../src/cli/image/read-back.ts'
import { parsePlatform } from '../../../src/image/platform.ts'
import { parseReference } from '../../../src/image/reference.ts'
import { testFolder } from '../../fixture/folder.ts'
import { makeImage, writeIndexLayout, writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { startRegistry } from '../../fixture/registry/registry.ts'
import { copied } from './copying.ts'

/** An image in a layout, and another one that is whole too. */
async function twoImages() {
  const folder = await testFolder()
  const [image, other] = [await makeImage(), await makeImage({ files: [{ evil: 'evil' }] })]
  await writeLayout(join(folder, 'image'), image)
  await writeLayout(join(folder, 'other'), other)
  const copy = (name: 'image' | 'other', destination: string, check: boolean) =>
    copied(folder, { source: `oci:${folder}/${name}`, destination, check })
  return { folder, image, other, copy }
}

describe('image copy --check', () => {
  it.each(['oci:F/out:v1', 'oci-archive:F/out.tar', 'dir:F/out', 'docker-archive:F/out.tar:app:1'])(
    'finds what it wrote in %s',
    async (form) => {
      const { folder, image, copy } = await twoImages()
      const done = await copy('image', form.replace('F', folder), true)
      expect(done).toMatchObject({ digest: image.digest, checked: true })
    },
  )

  it('finds a whole index', async () => {
    const folder = await testFolder()
    const images = [await makeImage(), await makeImage({ architecture: 'arm64' })]
    const digest = await writeIndexLayout(join(folder, 'in'), images)
    const registry = await startRegistry()
    const asked = { source: `oci:${folder}/in`, destination: `docker://${registry.host}/app:1` }
    expect(await copied(folder, { ...asked, all: true, platforms: [], check: true })).toMatchObject({
      digest,
      checked: true,
    })
  })

  it('refuses a registry that shows another image under the tag', async () => {
    const { image, other, copy } = await twoImages()
    const registry = await startRegistry()
    const place = `docker://${registry.host}/app:1`
    await copy('other', place, false)
    registry.fault = ({ method, path }) => {
      if (method !== 'GET' || !path.endsWith('/manifests/1')) return undefined
      const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
      return { answer: { status: 200, headers, body: other.manifest } }
    }
    await expect(copy('image', place, true)).rejects.toMatchObject({
      kind: 'corrupt',
      message: `${image.digest} was written, but ${other.digest} is there`,
      where: place,
    })
  })

  it.each(['docker-archive:F/out.tar:app:1', 'oci-archive:F/out.tar'])(
    'refuses %s when somebody put another whole image there',
    async (form) => {
      const { folder, copy } = await twoImages()
      const place = form.replace('F', folder)
      const { result } = await copy('image', place, false)
      if (!result) throw new Error('nothing was written')
      await copy('other', place, false)
      const { signal } = new AbortController()
      await expect(readBack(parseReference(place), result, testImageContext(folder), signal)).rejects.toMatchObject({
        kind: 'corrupt',
        message: expect.stringContaining('was written, but'),
      })
    },
  )
})

describe('image copy SOURCE DEST', () => {
  it('does not choose among several platforms', async () => {
    const folder = await testFolder()
    await writeIndexLayout(join(folder, 'in'), [await makeImage(), await makeImage({ architecture: 'arm64' })])
    const platforms = ['linux/arm64', 'linux/amd64'].map(parsePlatform)
    const asked = { source: `oci:${folder}/in`, destination: `oci:${folder}/out`, platforms }
    await expect(copied(folder, asked)).rejects.toMatchObject({
      kind: 'invalid',
      where: '--platform',
    })
  })
})
