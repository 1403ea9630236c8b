import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { testFolder } from '../../fixture/folder.ts'
import { makeImage, sha256, tarOf, writeLayout } from '../../fixture/image.ts'
import { copy, imageOf, sha512, skipped, validate, writeSha512Layout } from './copying.ts'

describe('every kind of blob', () => {
  const both = ['oci:F/out', 'oci-archive:F/out.tar', 'dir:F/out']

  it.each(both)('goes through %s when it has no bytes', async (form) => {
    const folder = await testFolder()
    const empty = Buffer.alloc(0)
    const artifact = imageOf(Buffer.from('{}'), [empty, Buffer.from('x')], 'layer.v1.tar')
    const manifest = Buffer.from(
      artifact.manifest
        .toString()
        .replace('application/vnd.oci.image.config.v1+json', 'application/vnd.oci.empty.v1+json'),
    )
    await writeLayout(join(folder, 'in'), { ...artifact, manifest, digest: sha256(manifest) })
    const to = form.replace('F', folder)
    await copy(folder, `oci:${folder}/in`, to)
    expect(await validate(folder, to)).toMatchObject({ digest: sha256(manifest), layers: 2, bytes: 1 })
    await copy(folder, to, `oci:${folder}/back`)
    expect(await readFile(join(folder, 'back/blobs/sha256', sha256(empty).slice(7)))).toHaveLength(0)
  })

  it.each(both)('goes through %s when it is named by sha512, and so does its manifest', async (form) => {
    const folder = await testFolder()
    const path = join(folder, 'in')
    const digest = await writeSha512Layout(path)
    const to = form.replace('F', folder)
    const result = await copy(folder, `oci:${path}`, to, { preserveDigests: true })
    expect(result.digest).toBe(digest)
    expect(await validate(folder, to)).toMatchObject({ platforms: ['linux/amd64'], layers: 2 })
    const back = await copy(folder, to, `oci:${folder}/back`)
    expect(await validate(folder, `oci:${folder}/back`)).toMatchObject({ digest: back.digest, layers: 2 })
    expect(await readdir(join(folder, 'back/blobs/sha512'))).not.toEqual([])
    // Another one that is only as long.
    const layer = sha512((await makeImage()).layers[1] as Buffer).slice(7)
    const stored = await readFile(join(path, 'blobs/sha512', layer))
    await writeFile(join(path, 'blobs/sha512', layer), Buffer.alloc(stored.length, 1))
    await expect(validate(folder, `oci:${path}`)).rejects.toMatchObject({ kind: 'corrupt' })
  })
})

describe("docker's types", () => {
  it('become OCI types in a layout, and stay in a dir', async () => {
    const folder = await testFolder()
    const image = await makeImage({ docker: true })
    await writeLayout(join(folder, 'blobs-only'), image)
    await mkdir(join(folder, 'd'))
    await writeFile(join(folder, 'd/version'), 'Directory Transport Version: 1.1\n')
    await writeFile(join(folder, 'd/manifest.json'), image.manifest)
    for (const blob of [image.config, ...image.layers]) await writeFile(join(folder, 'd', sha256(blob).slice(7)), blob)
    const same = await copy(folder, `dir:${folder}/d`, `dir:${folder}/e`, { preserveDigests: true })
    expect(same.digest).toBe(image.digest)
    const oci = await copy(folder, `dir:${folder}/d`, `oci:${folder}/out`)
    expect(oci.mediaType).toBe('application/vnd.oci.image.manifest.v1+json')
    expect((await validate(folder, `oci:${folder}/out`)).layers).toBe(2)
    await expect(
      copy(folder, `dir:${folder}/d`, `oci:${folder}/out2`, { preserveDigests: true }),
    ).rejects.toMatchObject({ kind: 'invalid', where: '--preserve-digests' })
  })
})

describe('a layer of zstd', () => {
  /** A layout of one layer that holds `etc/a: good`, whatever is stored under its digest. */
  const layoutWith = async (folder: string, blob: Buffer, stored: Buffer, diffId: string): Promise<string> => {
    const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [diffId] } }
    await writeLayout(join(folder, 'in'), imageOf(Buffer.from(JSON.stringify(config)), [blob]))
    await writeFile(join(folder, 'in/blobs/sha256', sha256(blob).slice(7)), stored)
    return `oci:${folder}/in`
  }

  it.each([16, 300_000])('is refused when it holds another frame before the same %i bytes', async (size) => {
    const folder = await testFolder()
    const [good, evil] = [await tarOf({ 'etc/a': 'good' }), await tarOf({ 'etc/a': 'evil' })]
    const behind = Buffer.concat([skipped(size), zstdCompressSync(Buffer.alloc(0))])
    const [blob, stored] = [good, evil].map((each) => Buffer.concat([zstdCompressSync(each), behind])) as [
      Buffer,
      Buffer,
    ]
    expect(stored.length).toBe(blob.length)
    const from = await layoutWith(folder, blob, stored, sha256(good))
    await expect(validate(folder, from)).rejects.toMatchObject({ kind: 'corrupt' })
    await expect(copy(folder, from, `docker-archive:${folder}/out.tar:app:1`)).rejects.toMatchObject({
      kind: 'corrupt',
    })
    expect(await readdir(folder)).toEqual(['in'])
  })

  it.each([
    ['cut off', Buffer.alloc(0)],
    ['others', Buffer.alloc(400, 0x42)],
  ])('is refused when the bytes behind its frame are %s', async (_, tail) => {
    const folder = await testFolder()
    const good = await tarOf({ 'etc/a': 'good' })
    const blob = Buffer.concat([zstdCompressSync(good), skipped(392)])
    const from = await layoutWith(folder, blob, Buffer.concat([zstdCompressSync(good), tail]), sha256(good))
    await expect(validate(folder, from)).rejects.toMatchObject({ kind: 'corrupt' })
    await expect(copy(folder, from, `docker-archive:${folder}/out.tar:app:1`)).rejects.toMatchObject({
      kind: 'corrupt',
    })
    expect(await readdir(folder)).toEqual(['in'])
  })

  it('in several frames, with others that are skipped, is whole in a docker archive', async () => {
    const folder = await testFolder()
    const tar = await tarOf({ 'etc/a': 'a'.repeat(5000), 'etc/b': 'b' })
    const parts = [tar.subarray(0, 1000), tar.subarray(1000)]
    const blob = Buffer.concat([skipped(10), ...parts.map((each) => zstdCompressSync(each)), skipped(20)])
    const from = await layoutWith(folder, blob, blob, sha256(tar))
    expect(await validate(folder, from)).toMatchObject({ layers: 1 })
    await copy(folder, from, `docker-archive:${folder}/out.tar:app:1`)
    expect(await validate(folder, `docker-archive:${folder}/out.tar`)).toMatchObject({ layers: 1 })
  })

  it('is not expanded into a docker archive when its config says other content', async () => {
    const folder = await testFolder()
    const [good, evil] = [await tarOf({ 'etc/a': 'good' }), await tarOf({ 'etc/a': 'evil' })]
    const blob = zstdCompressSync(evil)
    const from = await layoutWith(folder, blob, blob, sha256(good))
    await expect(copy(folder, from, `docker-archive:${folder}/out.tar:app:1`)).rejects.toMatchObject({
      kind: 'corrupt',
      message: expect.stringContaining(sha256(evil)),
    })
    expect(await readdir(folder)).toEqual(['in'])
  })

  it('that is not a zstd at all is called corrupt', async () => {
    const folder = await testFolder()
    const blob = Buffer.from('this is not zstd')
    const from = await layoutWith(folder, blob, blob, sha256(blob))
    await expect(copy(folder, from, `docker-archive:${folder}/out.tar:app:1`)).rejects.toMatchObject({
      kind: 'corrupt',
    })
  })
})
