import { execFileSync } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { testFolder } from '../../fixture/folder.ts'
import { makeImage, sha256, writeLayout } from '../../fixture/image.ts'
import { copy, layoutOf, validate } from './copying.ts'

describe('every medium holds what was copied into it', () => {
  it.each([
    ['oci', 'oci:F/out:name'],
    ['oci-archive', 'oci-archive:F/out.tar:name'],
    ['dir', 'dir:F/out'],
  ])('%s keeps the digest', async (_, form) => {
    const folder = await testFolder()
    const to = form.replace('F', folder)
    const result = await copy(folder, `oci:${await layoutOf(folder)}:v1`, to)
    const image = await makeImage()
    expect(result.digest).toBe(image.digest)
    expect(await validate(folder, to)).toMatchObject({ digest: image.digest, platforms: ['linux/amd64'], layers: 2 })
  })

  it('docker-archive keeps config and layers', async () => {
    const folder = await testFolder()
    const to = `docker-archive:${folder}/out.tar:app:1`
    await copy(folder, `oci:${await layoutOf(folder)}`, to)
    const found = await validate(folder, to)
    expect(found.layers).toBe(2)
    const back = await copy(folder, to, `oci:${folder}/back`)
    expect(await validate(folder, `oci:${folder}/back`)).toMatchObject({ digest: back.digest, layers: 2 })
  })

  it('docker-archive expands layers of zstd, which docker could not load', async () => {
    const folder = await testFolder()
    await copy(folder, `oci:${await layoutOf(folder, { zstd: true })}`, `docker-archive:${folder}/out.tar:app:1`)
    expect(await validate(folder, `docker-archive:${folder}/out.tar`)).toMatchObject({ layers: 2 })
    const list = execFileSync('tar', ['-xOf', join(folder, 'out.tar'), 'manifest.json'])
    const [{ Layers: layers }] = JSON.parse(list.toString()) as [{ Layers: string[] }]
    const tars = layers.map((each) => execFileSync('tar', ['-xOf', join(folder, 'out.tar'), each]))
    const { config } = await makeImage({ zstd: true })
    expect(tars.map(sha256)).toEqual(JSON.parse(config.toString()).rootfs.diff_ids)
  })

  it('docker-archive is refused where digests are to be preserved: it keeps no manifest', async () => {
    const folder = await testFolder()
    await expect(
      copy(folder, `oci:${await layoutOf(folder)}`, `docker-archive:${folder}/out.tar`, { preserveDigests: true }),
    ).rejects.toMatchObject({ kind: 'invalid', where: '--preserve-digests' })
    expect(await readdir(folder)).toEqual(['in'])
  })

  it('writes the same archive twice, to the last byte', async () => {
    const folder = await testFolder()
    const from = `oci:${await layoutOf(folder)}`
    for (const each of ['a', 'b']) {
      await copy(folder, from, `oci-archive:${folder}/${each}.oci`)
      await copy(folder, from, `docker-archive:${folder}/${each}.docker:app:1`)
    }
    for (const kind of ['oci', 'docker'])
      expect(sha256(await readFile(join(folder, `a.${kind}`)))).toBe(sha256(await readFile(join(folder, `b.${kind}`))))
  })

  it('reads archives that are compressed with gzip or zstd', async () => {
    const folder = await testFolder()
    await copy(folder, `oci:${await layoutOf(folder)}`, `oci-archive:${folder}/a.tar`)
    const tar = await readFile(join(folder, 'a.tar'))
    await writeFile(join(folder, 'a.tar.gz'), gzipSync(tar))
    await writeFile(join(folder, 'a.tar.zst'), zstdCompressSync(tar))
    for (const each of ['a.tar.gz', 'a.tar.zst'])
      expect((await validate(folder, `oci-archive:${folder}/${each}`)).layers).toBe(2)
    expect((await readdir(folder)).filter((each) => each.startsWith('native-archive'))).toEqual([])
  })

  it('skips the second time what the first time brought', async () => {
    const folder = await testFolder()
    const from = `oci:${await layoutOf(folder)}`
    expect((await copy(folder, from, `oci:${folder}/out`)).blobs).toEqual({ present: 0, mounted: 0, written: 3 })
    expect((await copy(folder, from, `oci:${folder}/out`)).blobs).toEqual({ present: 3, mounted: 0, written: 0 })
  })

  it('keeps the other images of a layout and replaces the one of the same name', async () => {
    const folder = await testFolder()
    const from = `oci:${await layoutOf(folder)}`
    await writeLayout(join(folder, 'other'), await makeImage({ files: [{ x: 'y' }] }))
    await copy(folder, from, `oci:${folder}/out:one`)
    await copy(folder, from, `oci:${folder}/out:two`)
    await copy(folder, `oci:${folder}/other`, `oci:${folder}/out:one`)
    expect((await validate(folder, `oci:${folder}/out:one`)).layers).toBe(1)
    expect((await validate(folder, `oci:${folder}/out:two`)).layers).toBe(2)
    await expect(validate(folder, `oci:${folder}/out`)).rejects.toMatchObject({ kind: 'invalid' })
    await expect(validate(folder, `oci:${folder}/out:three`)).rejects.toMatchObject({ kind: 'not-found' })
  })
})
