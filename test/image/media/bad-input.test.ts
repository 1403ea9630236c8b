import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import { copyImage } from '../../../src/image/copy.ts'
import { openDockerArchiveSource } from '../../../src/image/media/archive/docker-archive.ts'
import { openTarSource } from '../../../src/image/media/archive/tar-source.ts'
import type { Source } from '../../../src/image/medium.ts'
import { openDestination, openSource } from '../../../src/image/open.ts'
import { parseReference } from '../../../src/image/reference.ts'
import { validateImage } from '../../../src/image/validate.ts'
import { testFolder } from '../../fixture/folder.ts'
import { makeImage, sha256, writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { copy, imageOf, layoutOf, one, openFiles } from './copying.ts'

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
    const source = await openSource(parseReference(`oci:${folder}/in`), testImageContext(folder))
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
    const destination = await openDestination(parseReference(`oci:${folder}/out`), testImageContext(folder))
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

  it('does not write over what is not an image', async () => {
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
    const source = await openSource(parseReference(`oci:${await layoutOf(folder)}`), testImageContext(folder))
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
