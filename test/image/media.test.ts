import { execFileSync } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, readlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { type CopyOptions, copyImage } from '../../src/image/copy.ts'
import type { Descriptor } from '../../src/image/manifest.ts'
import { openDockerArchiveSource } from '../../src/image/media/archive/docker-archive.ts'
import { openTarSource } from '../../src/image/media/archive/tar-source.ts'
import { refNameKey } from '../../src/image/media/layout.ts'
import { ociIndex } from '../../src/image/media-types.ts'
import type { Source } from '../../src/image/medium.ts'
import { openDestination, openSource } from '../../src/image/open.ts'
import { parseReference } from '../../src/image/reference.ts'
import { validateImage } from '../../src/image/validate.ts'
import { testFolder } from '../fixture/folder.ts'
import { type ImageFixture, makeImage, sha256, tarOf, writeIndexLayout, writeLayout } from '../fixture/image.ts'
import { spoiled } from '../fixture/spoiled.ts'
import { testSurroundings } from '../fixture/surroundings.ts'

const signal = new AbortController().signal
const one: CopyOptions = { platform: { os: 'linux', architecture: 'amd64' }, preserveDigests: false, signal }

async function copy(folder: string, from: string, to: string, options: Partial<CopyOptions> = {}) {
  const source = spoiled(await openSource(parseReference(from), testSurroundings(folder)))
  try {
    const destination = await openDestination(parseReference(to), testSurroundings(folder))
    return await copyImage(source, destination, { ...one, ...options })
  } finally {
    await source.close()
  }
}

async function validate(folder: string, reference: string) {
  const source = spoiled(await openSource(parseReference(reference), testSurroundings(folder)))
  try {
    return await validateImage(source, signal)
  } finally {
    await source.close()
  }
}

const layoutOf = async (folder: string, options = {}): Promise<string> => {
  const path = join(folder, 'in')
  await writeLayout(path, await makeImage(options), 'v1')
  return path
}

/** Files below a folder that this process has open, where the system tells. */
async function openFiles(folder: string): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const own = '/proc/self/fd'
  const paths = (await readdir(own)).map((each) => readlink(join(own, each)).catch(() => ''))
  return (await Promise.all(paths)).filter((each) => each.startsWith(folder))
}

/** A frame of zstd that is skipped (RFC 8878, 3.1.2), 8 bytes longer than what it holds. */
function skipped(bytes: number): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt32LE(0x184d2a50, 0)
  header.writeUInt32LE(bytes, 4)
  return Buffer.concat([header, Buffer.alloc(bytes, 9)])
}

/** An image of blobs as they are. */
function imageOf(config: Buffer, layers: readonly Buffer[], type = 'layer.v1.tar+zstd'): ImageFixture {
  const describe = (suffix: string, blob: Buffer) => ({
    mediaType: `application/vnd.oci.image.${suffix}`,
    digest: sha256(blob),
    size: blob.byteLength,
  })
  const document = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: describe('config.v1+json', config),
    layers: layers.map((each) => describe(type, each)),
  }
  const manifest = Buffer.from(JSON.stringify(document))
  return { config, layers, manifest, digest: sha256(manifest) }
}

function sha512(bytes: Uint8Array): string {
  return `sha512:${createHash('sha512').update(bytes).digest('hex')}`
}

/** A layout in which everything is named by sha512. */
async function writeSha512Layout(path: string): Promise<string> {
  const { config, layers } = await makeImage()
  let text = imageOf(config, layers, 'layer.v1.tar+gzip').manifest.toString()
  for (const blob of [config, ...layers]) text = text.replace(sha256(blob), sha512(blob))
  const manifest = Buffer.from(text)
  await mkdir(join(path, 'blobs/sha512'), { recursive: true })
  for (const blob of [config, ...layers, manifest])
    await writeFile(join(path, 'blobs/sha512', sha512(blob).slice(7)), blob)
  const entry = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: sha512(manifest),
    size: manifest.byteLength,
  }
  await writeFile(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  return sha512(manifest)
}

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

describe('a layout', () => {
  const ann = { 'org.example.owner': 'somebody' }
  const document = async (folder: string) => JSON.parse(await readFile(join(folder, 'out/index.json'), 'utf8'))

  it('keeps what else its index says', async () => {
    const folder = await testFolder()
    const from = `oci:${await layoutOf(folder)}`
    await copy(folder, from, `oci:${folder}/out:one`)
    const before = await document(folder)
    before.manifests[0].platform = { os: 'linux', architecture: 'amd64', 'os.features': ['x'] }
    before.manifests[0].annotations['org.example.build'] = '7'
    const facts = {
      artifactType: 'application/vnd.example+json',
      annotations: ann,
      'org.example.more': [1, { a: null }],
    }
    await writeFile(join(folder, 'out/index.json'), JSON.stringify({ ...before, ...facts }))
    await copy(folder, from, `oci:${folder}/out:two`)
    const after = await document(folder)
    expect(after).toMatchObject(facts)
    expect(after.manifests).toHaveLength(2)
    expect(after.manifests[0]).toEqual(before.manifests[0])
  })

  it('holds every image of copies that run at the same time', async () => {
    const folder = await testFolder()
    const from = `oci:${await layoutOf(folder)}`
    const names = Array.from({ length: 12 }, (_, at) => `v${at}`)
    await Promise.all(names.map((name) => copy(folder, from, `oci:${folder}/out:${name}`)))
    const found = (await document(folder)).manifests.map((each: Descriptor) => each.annotations?.[refNameKey])
    expect(found.sort()).toEqual(names.sort())
    expect((await readdir(join(folder, 'out'))).sort()).toEqual(['blobs', 'index.json', 'oci-layout'])
  })

  it('whose index says another size of its image is refused', async () => {
    const folder = await testFolder()
    const path = await layoutOf(folder)
    const index = JSON.parse(await readFile(join(path, 'index.json'), 'utf8'))
    index.manifests[0].size += 1
    await writeFile(join(path, 'index.json'), JSON.stringify(index))
    for (const work of [validate(folder, `oci:${path}`), copy(folder, `oci:${path}`, `dir:${folder}/d`)])
      await expect(work).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringContaining('index.json says') })
  })
})

describe('what killed copies have left', () => {
  it.each([
    ['oci', 'oci:F/out', ['F/out/blobs/sha256/', 'F/out/index.json.']],
    ['dir', 'dir:F/out', ['F/out/', 'F/out/manifest.json.']],
    ['oci-archive', 'oci-archive:F/out/a.tar', ['F/out/a.tar.']],
    ['docker-archive', 'docker-archive:F/out/a.tar', ['F/out/a.tar.']],
  ])('goes a day later, with the next copy into the same place (%s)', async (_, form, places) => {
    const folder = await testFolder()
    const from = `oci:${await layoutOf(folder)}`
    const to = form.replace('F', folder)
    await mkdir(join(folder, 'out'))
    await copy(folder, from, to)
    const before = (await readdir(join(folder, 'out'), { recursive: true })).sort()
    const leftover = (place: string) =>
      `${place.replace('F', folder)}${place.endsWith('.') ? '' : 'ab12.'}${randomUUID()}.partial`
    const [old, young] = [places.map(leftover), places.map(leftover)]
    for (const each of [...old, ...young]) await writeFile(each, 'half')
    const longAgo = new Date(Date.now() - 25 * 60 * 60_000)
    for (const each of old) await utimes(each, longAgo, longAgo)
    await copy(folder, from, to)
    const after = (await readdir(join(folder, 'out'), { recursive: true })).map((each) => join(folder, 'out', each))
    expect(after.sort()).toEqual([...before.map((each) => join(folder, 'out', each)), ...young].sort())
  })

  it('stays where it is of another archive, as does what is only called alike', async () => {
    const folder = await testFolder()
    const longAgo = new Date(Date.now() - 25 * 60 * 60_000)
    const others = [`b.tar.${randomUUID()}.partial`, 'a.tar.partial', `a.tar.${randomUUID()}.partial.txt`]
    for (const each of others) {
      await writeFile(join(folder, each), 'text')
      await utimes(join(folder, each), longAgo, longAgo)
    }
    await copy(folder, `oci:${await layoutOf(folder)}`, `oci-archive:${folder}/a.tar`)
    expect((await readdir(folder)).sort()).toEqual([...others, 'a.tar', 'in'].sort())
  })
})

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
    ).rejects.toMatchObject({ kind: 'not-found', next: ['It is there for linux/amd64, linux/arm64 (--platform).'] })
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

  it('that is no zstd at all is called corrupt', async () => {
    const folder = await testFolder()
    const blob = Buffer.from('this is no zstd')
    const from = await layoutWith(folder, blob, blob, sha256(blob))
    await expect(copy(folder, from, `docker-archive:${folder}/out.tar:app:1`)).rejects.toMatchObject({
      kind: 'corrupt',
    })
  })
})

describe('bad input', () => {
  it('names a digest that does not match, and leaves nothing of it', async () => {
    const folder = await testFolder()
    const image = await makeImage()
    const path = await layoutOf(folder)
    const layer = sha256(image.layers[1] as Buffer).slice(7)
    const bytes = Buffer.from(image.layers[1] as Buffer)
    bytes[20] = (bytes[20] ?? 0) ^ 1
    await writeFile(join(path, 'blobs/sha256', layer), bytes)
    await expect(copy(folder, `oci:${path}`, `oci:${folder}/out`)).rejects.toMatchObject({ kind: 'corrupt' })
    const files = await readdir(join(folder, 'out'), { recursive: true })
    expect(files.some((each) => each.includes(layer) || each.includes('partial') || each === 'index.json')).toBe(false)
  })

  it.each([
    ['shorter', -3],
    ['longer', 3],
  ])('names a layer that is %s than its manifest says', async (_, change) => {
    const folder = await testFolder()
    const image = await makeImage()
    const path = await layoutOf(folder)
    const layer = image.layers[0] as Buffer
    const bytes = change < 0 ? layer.subarray(0, change) : Buffer.concat([layer, Buffer.alloc(change)])
    await writeFile(join(path, 'blobs/sha256', sha256(layer).slice(7)), bytes)
    await expect(copy(folder, `oci:${path}`, `oci-archive:${folder}/out.tar`)).rejects.toMatchObject({
      kind: 'corrupt',
    })
    expect(await readdir(folder)).toEqual(['in'])
  })

  it.each([
    ['became shorter', async (file: string) => truncate(file, 600_000), 'corrupt'],
    ['was replaced by another', async (file: string) => writeFile(file, Buffer.alloc(3_000_000)), 'corrupt'],
    ['grew', async (file: string) => appendFile(file, 'more'), undefined],
  ])('never takes a layer that %s while it was read for what it then is', async (_, change, kind) => {
    const folder = await testFolder()
    const blob = randomBytes(3_000_000)
    const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [sha256(blob)] } }
    await writeLayout(join(folder, 'in'), imageOf(Buffer.from(JSON.stringify(config)), [blob], 'layer.v1.tar'))
    const file = join(folder, 'in/blobs/sha256', sha256(blob).slice(7))
    // Both sides hold a piece of 512 KiB, so that the source has by far not been read to its end.
    let changed: Promise<void> | undefined
    const source = await openSource(parseReference(`oci:${folder}/in`), testSurroundings(folder))
    const changing: Source = {
      ...source,
      async blob(descriptor) {
        const content = await source.blob(descriptor)
        if (descriptor.size !== blob.length) return content
        return (async function* () {
          for await (const piece of content) {
            changed ??= change(file)
            await changed
            yield piece
          }
        })()
      },
    }
    const destination = await openDestination(parseReference(`oci:${folder}/out`), testSurroundings(folder))
    const copying = copyImage(changing, destination, one)
    if (kind !== undefined) await expect(copying).rejects.toMatchObject({ kind })
    else {
      await copying
      expect(sha256(await readFile(join(folder, 'out/blobs/sha256', sha256(blob).slice(7))))).toBe(sha256(blob))
    }
    expect(changed).toBeDefined()
  })

  it('ends at an interrupt, and leaves nothing half-written', async () => {
    const folder = await testFolder()
    const path = await layoutOf(folder)
    for (const to of [`oci:${folder}/out`, `oci-archive:${folder}/out.tar`, `dir:${folder}/dir`]) {
      const stop = new AbortController()
      const progress = { moved: () => stop.abort(new Failure('cancelled', 'interrupted')) }
      await expect(copy(folder, `oci:${path}`, to, { signal: stop.signal, progress })).rejects.toMatchObject({
        kind: 'cancelled',
      })
    }
    const files = await readdir(folder, { recursive: true })
    expect(files.filter((each) => /partial|^out\/index|out\.tar|dir\/manifest/.test(each))).toEqual([])
  })

  it('goes on where the first try stopped', async () => {
    const folder = await testFolder()
    const image = await makeImage()
    const path = await layoutOf(folder)
    const file = join(path, 'blobs/sha256', sha256(image.layers[1] as Buffer).slice(7))
    await writeFile(file, 'broken')
    await expect(copy(folder, `oci:${path}`, `oci:${folder}/out`)).rejects.toBeInstanceOf(Failure)
    await writeFile(file, image.layers[1] as Buffer)
    expect((await copy(folder, `oci:${path}`, `oci:${folder}/out`)).blobs).toMatchObject({ present: 2, written: 1 })
  })

  it.each([
    ['an unknown type', { schemaVersion: 2, mediaType: 'application/vnd.acme+json', config: {}, layers: [] }],
    ['schema 1', { schemaVersion: 1, name: 'x', fsLayers: [] }],
    ['no type at all', { schemaVersion: 2 }],
    ['an array', []],
    [
      'two shapes (CVE-2021-41190)',
      { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [], layers: [] },
    ],
  ])('refuses a manifest of %s', async (_, document) => {
    const folder = await testFolder()
    await mkdir(join(folder, 'd'))
    await writeFile(join(folder, 'd/version'), 'Directory Transport Version: 1.1\n')
    await writeFile(join(folder, 'd/manifest.json'), JSON.stringify(document))
    await expect(copy(folder, `dir:${folder}/d`, `oci:${folder}/out`)).rejects.toMatchObject({ kind: 'invalid' })
  })

  it('does not write over what is no image', async () => {
    const folder = await testFolder()
    const from = `oci:${await layoutOf(folder)}`
    await writeFile(join(folder, 'precious'), 'text')
    await mkdir(join(folder, 'home'))
    await writeFile(join(folder, 'home/letter'), 'text')
    for (const to of [
      `oci-archive:${folder}/precious`,
      `docker-archive:${folder}/precious`,
      `oci:${folder}/home`,
      `dir:${folder}/home`,
    ])
      await expect(copy(folder, from, to)).rejects.toMatchObject({ kind: 'exists' })
    expect(await readFile(join(folder, 'precious'), 'utf8')).toBe('text')
    expect(await readdir(join(folder, 'home'))).toEqual(['letter'])
  })

  it.each([
    ['a path with ..', ['-C', 'F', '-P', '--transform', 's,^x,../x,', 'x']],
    ['an absolute path', ['-P', 'F/x']],
    ['a link out of it', ['-C', 'F', 'link']],
    ['two entries of one name', ['-C', 'F', 'x', 'x', '--hard-dereference']],
    ['a device', ['-C', 'F', 'fifo']],
  ])('refuses an archive with %s', async (_, args) => {
    const folder = await testFolder()
    await writeFile(join(folder, 'x'), 'x')
    execFileSync('ln', ['-s', '/etc/passwd', join(folder, 'link')])
    execFileSync('mkfifo', [join(folder, 'fifo')])
    execFileSync('tar', ['-cf', join(folder, 'bad.tar'), ...args.map((each) => each.replace('F', folder))])
    await expect(copy(folder, `oci-archive:${folder}/bad.tar`, `oci:${folder}/out`)).rejects.toMatchObject({
      kind: 'invalid',
    })
  })

  it('refuses an archive that was cut off, and one that is none', async () => {
    const folder = await testFolder()
    await copy(folder, `oci:${await layoutOf(folder)}`, `oci-archive:${folder}/a.tar`)
    const tar = await readFile(join(folder, 'a.tar'))
    await writeFile(join(folder, 'cut.tar'), tar.subarray(0, 700))
    await writeFile(join(folder, 'none.tar'), Buffer.alloc(2048, 7))
    await writeFile(join(folder, 'cut.tar.gz'), gzipSync(tar).subarray(0, 200))
    for (const each of ['cut.tar', 'none.tar', 'cut.tar.gz'])
      await expect(copy(folder, `oci-archive:${folder}/${each}`, `dir:${folder}/out`)).rejects.toMatchObject({
        kind: 'corrupt',
      })
  })

  it('refuses an archive that is a bomb', async () => {
    const folder = await testFolder()
    const file = join(folder, 'bomb.tar.gz')
    await writeFile(file, gzipSync(Buffer.alloc(1_000_000)))
    const limits = { timesMax: 100, bytesAlways: 100_000 }
    await expect(openTarSource(file, folder, undefined, limits)).rejects.toMatchObject({ kind: 'invalid' })
    expect(await readdir(folder)).toEqual(['bomb.tar.gz'])
    expect(await openFiles(folder)).toEqual([])
  })

  it.each(['gz', 'zst'])('ends the expanding of an archive (%s) at an interrupt', async (kind) => {
    const folder = await testFolder()
    await copy(folder, `oci:${await layoutOf(folder)}`, `oci-archive:${folder}/a.tar`)
    const tar = await readFile(join(folder, 'a.tar'))
    await writeFile(join(folder, 'a.tar.x'), kind === 'gz' ? gzipSync(tar) : zstdCompressSync(tar))
    const reason = new Failure('cancelled', 'interrupted')
    const opening = openTarSource(join(folder, 'a.tar.x'), folder, AbortSignal.abort(reason))
    await expect(opening).rejects.toBe(reason)
    expect((await readdir(folder)).filter((each) => each.startsWith('native-archive'))).toEqual([])
  })

  it('ends the hashing of the layers of a docker archive at an interrupt', async () => {
    const folder = await testFolder()
    await copy(folder, `oci:${await layoutOf(folder)}`, `docker-archive:${folder}/a.tar`)
    const reason = new Failure('cancelled', 'interrupted')
    const opening = openDockerArchiveSource(join(folder, 'a.tar'), undefined, folder, AbortSignal.abort(reason))
    await expect(opening).rejects.toBe(reason)
  })

  it('ends the reading of a whole image at an interrupt', async () => {
    const folder = await testFolder()
    const source = await openSource(parseReference(`oci:${await layoutOf(folder)}`), testSurroundings(folder))
    const stop = new AbortController()
    const reason = new Failure('cancelled', 'interrupted')
    const stopping: Source = {
      ...source,
      async blob(descriptor) {
        const content = await source.blob(descriptor)
        if (descriptor.mediaType.includes('layer')) stop.abort(reason)
        return content
      },
    }
    await expect(validateImage(stopping, stop.signal)).rejects.toBe(reason)
  })

  it('does not write over a compressed archive, which it would have to expand to look into it', async () => {
    const folder = await testFolder()
    const from = `oci:${await layoutOf(folder)}`
    await copy(folder, from, `oci-archive:${folder}/a.tar`)
    await writeFile(join(folder, 'a.tar.gz'), gzipSync(await readFile(join(folder, 'a.tar'))))
    await copy(folder, from, `oci-archive:${folder}/a.tar`)
    await expect(copy(folder, from, `oci-archive:${folder}/a.tar.gz`)).rejects.toMatchObject({ kind: 'exists' })
    await expect(copy(folder, from, `docker-archive:${folder}`)).rejects.toMatchObject({ kind: 'exists' })
  })

  it('says so where no cluster can be reached', async () => {
    const folder = await testFolder()
    await expect(copy(folder, `oci:${await layoutOf(folder)}`, 'kind:/app:1')).rejects.toMatchObject({
      kind: 'unimplemented',
    })
  })
})
