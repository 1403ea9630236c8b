import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ociIndex } from '../../../src/image/media-types.ts'
import { testFolder } from '../../fixture/folder.ts'
import { makeImage, sha256, writeIndexLayout } from '../../fixture/image.ts'
import { copy, validate } from './copying.ts'

describe('indexes', () => {
  const twoPlatforms = async (folder: string): Promise<string> =>
    writeIndexLayout(join(folder, 'in'), [await makeImage(), await makeImage({ architecture: 'arm64' })])

  it('copies one platform unless told', async () => {
    const folder = await testFolder()
    await twoPlatforms(folder)
    await copy(folder, `oci:${folder}/in`, `oci:${folder}/out`, { platform: { os: 'linux', architecture: 'arm64' } })
    expect((await validate(folder, `oci:${folder}/out`)).platforms).toEqual(['linux/arm64'])
  })

  it('copies whole indexes with their digest', async () => {
    const folder = await testFolder()
    const digest = await twoPlatforms(folder)
    for (const to of [`oci:${folder}/out`, `dir:${folder}/dir`, `oci-archive:${folder}/out.tar`]) {
      await copy(folder, `oci:${folder}/in`, to, { platform: 'all', preserveDigests: true })
      expect(await validate(folder, to)).toMatchObject({ digest, platforms: ['linux/amd64', 'linux/arm64'] })
    }
  })

  it('names the platforms that there are', async () => {
    const folder = await testFolder()
    await twoPlatforms(folder)
    await expect(
      copy(folder, `oci:${folder}/in`, `oci:${folder}/out`, { platform: { os: 'linux', architecture: 's390x' } }),
    ).rejects.toMatchObject({ kind: 'not-found', next: ['It exists for linux/amd64, linux/arm64 (--platform).'] })
  })

  /** A layout whose root is so many indexes, each in the next, around two images. */
  const nested = async (folder: string, depth: number): Promise<string> => {
    await twoPlatforms(folder)
    for (let at = 1; at < depth; at += 1) {
      const before = JSON.parse(await readFile(join(folder, 'in/index.json'), 'utf8')).manifests
      // Named twice: it is one thing all the same.
      const bytes = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [...before, ...before] }),
      )
      await writeFile(join(folder, 'in/blobs/sha256', sha256(bytes).slice(7)), bytes)
      const entry = { mediaType: ociIndex, digest: sha256(bytes), size: bytes.byteLength }
      await writeFile(join(folder, 'in/index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
    }
    return `oci:${folder}/in`
  }

  it.each([2, 4])('that are nested %i deep are copied, and found whole', async (depth) => {
    const folder = await testFolder()
    const from = await nested(folder, depth)
    const { digest } = await copy(folder, from, `oci:${folder}/out`, { platform: 'all', preserveDigests: true })
    for (const each of [from, `oci:${folder}/out`])
      expect(await validate(folder, each)).toMatchObject({
        digest,
        platforms: ['linux/amd64', 'linux/arm64'],
        layers: 4,
      })
  })

  it('that are nested deeper are neither copied nor called whole', async () => {
    const folder = await testFolder()
    const from = await nested(folder, 5)
    const deeper = { kind: 'invalid', message: 'indexes are nested deeper than 4' }
    await expect(validate(folder, from)).rejects.toMatchObject(deeper)
    await expect(copy(folder, from, `oci:${folder}/out`, { platform: 'all' })).rejects.toMatchObject(deeper)
  })

  it('refuses an index for a medium that holds one image', async () => {
    const folder = await testFolder()
    await twoPlatforms(folder)
    await expect(
      copy(folder, `oci:${folder}/in`, `docker-archive:${folder}/out.tar:a:1`, { platform: 'all' }),
    ).rejects.toMatchObject({ kind: 'invalid', where: '--all' })
    expect(await readdir(folder)).toEqual(['in'])
  })
})
