import { createHash } from 'node:crypto'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { testFolder } from '../../fixture/folder.ts'
import { type ImageFixture, sha256, writeLayout } from '../../fixture/image.ts'
import { have } from '../../fixture/real.ts'
import { startDockerRegistry } from './docker-registry.ts'

const isThere = await have('docker-registry')
const layerBytes = 2 ** 30
const memoryMiBMax = 200

/** An image with one layer of zeros, which takes no room on the disk. */
async function largeLayout(path: string): Promise<void> {
  const hash = createHash('sha256')
  const zeros = Buffer.alloc(2 ** 20)
  for (let done = 0; done < layerBytes; done += zeros.length) hash.update(zeros)
  const layer = `sha256:${hash.digest('hex')}`
  const config = Buffer.from(
    JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [layer] } }),
  )
  const type = 'application/vnd.oci.image'
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${type}.manifest.v1+json`,
      config: { mediaType: `${type}.config.v1+json`, digest: sha256(config), size: config.length },
      layers: [{ mediaType: `${type}.layer.v1.tar`, digest: layer, size: layerBytes }],
    }),
  )
  const image: ImageFixture = { config, layers: [], manifest, digest: sha256(manifest) }
  await writeLayout(path, image)
  const file = join(path, 'blobs/sha256', layer.slice(7))
  await writeFile(file, '')
  const handle = await open(file, 'r+')
  await handle.truncate(layerBytes)
  await handle.close()
}

describe.runIf(isThere)('a layer of 1 GiB', () => {
  it('takes less than 200 MB of memory on its way to a registry, back, and into an archive', async () => {
    const folder = await testFolder()
    await largeLayout(join(folder, 'in'))
    const { host } = await startDockerRegistry(folder)
    const image = `docker://${host}/large:1`
    const ways = [
      [`oci:${folder}/in`, image],
      [image, `oci:${folder}/out`],
      [`oci:${folder}/out`, `oci-archive:${folder}/out.tar`],
    ]
    for (const [from = '', to = ''] of ways) {
      const { stdout } = await execa(process.execPath, [
        join(import.meta.dirname, '../../fixture/image-copy-child.ts'),
        from,
        to,
        folder,
      ])
      expect(Number(stdout)).toBeLessThan(memoryMiBMax)
    }
  })
})
