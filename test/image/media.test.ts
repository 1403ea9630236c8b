import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { type CopyOptions, copyImage } from '../../src/image/copy.ts'
import { openTarSource } from '../../src/image/media/archive/tar-source.ts'
import { openDestination, openSource } from '../../src/image/open.ts'
import { parseReference } from '../../src/image/reference.ts'
import { validateImage } from '../../src/image/validate.ts'
import { testFolder } from '../fixture/folder.ts'
import { makeImage, sha256, writeIndexLayout, writeLayout } from '../fixture/image.ts'
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
    await expect(openTarSource(file, folder, limits)).rejects.toMatchObject({ kind: 'invalid' })
    expect(await readdir(folder)).toEqual(['bomb.tar.gz'])
  })

  it('says so where no cluster can be reached', async () => {
    const folder = await testFolder()
    await expect(copy(folder, `oci:${await layoutOf(folder)}`, 'kind:/app:1')).rejects.toMatchObject({
      kind: 'unimplemented',
    })
  })
})
