import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { expanded } from '../../src/archive/expand.ts'
import { Failure } from '../../src/core/failure.ts'
import { folderEntries, writeLayer } from '../../src/image/build/layer.ts'
import { copyImage } from '../../src/image/copy.ts'
import { refreshLock } from '../../src/image/lock.ts'
import { parseManifest } from '../../src/image/manifest.ts'
import { dockerManifest } from '../../src/image/media-types.ts'
import { openDestination, openSource } from '../../src/image/open.ts'
import { parseReference } from '../../src/image/reference.ts'
import { folderTree } from '../../src/image/tree/folder.ts'
import { testFolder } from '../fixture/folder.ts'
import { makeImage, writeLayout } from '../fixture/image.ts'
import { testImageContext } from '../fixture/image-context.ts'
import { config, content, forgetfulDestination, layer, memorySource } from '../fixture/memory-places.ts'
import { startRegistry } from '../fixture/registry/registry.ts'

const { signal } = new AbortController()
const options = { platform: 'all', preserveDigests: false, signal } as const
const digest = `sha256:${'b'.repeat(64)}` as const

describe('several images in a layout', () => {
  const latest = 'latest'
  async function layout(entries: readonly Record<string, string>[]) {
    const folder = await testFolder()
    const digests: string[] = []
    for (const [at] of entries.entries()) {
      const image = await makeImage({ files: [{ 'etc/a': String(at) }] })
      await writeLayout(folder, image, `n${at}`)
      digests.push(image.digest)
    }
    const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8'))
    index.manifests = digests.map((each, at) => ({
      ...index.manifests.find((entry: { digest: string }) => entry.digest === each),
      annotations: entries[at],
    }))
    await writeFile(join(folder, 'index.json'), JSON.stringify(index))
    return { folder, digests }
  }
  const refName = 'org.opencontainers.image.ref.name'
  const containerd = 'io.containerd.image.name'

  it.each([
    [
      'docker save of two images (podman#6811)',
      [
        { [refName]: latest, [containerd]: 'docker.io/library/aa:latest' },
        { [refName]: latest, [containerd]: 'docker.io/library/bb:latest' },
      ],
    ],
    ['one name and no other', [{ [refName]: latest }, { [refName]: latest }]],
    ['no name at all', [{}, {}, {}]],
    [
      'names that cross',
      [
        { [refName]: 'a', [containerd]: 'b' },
        { [refName]: 'b', [containerd]: 'a' },
      ],
    ],
    ['one with a name, one without', [{ [refName]: 'a' }, {}]],
  ])('with %s are told by names of which each leads to one', async (_, entries) => {
    const { folder, digests } = await layout(entries)
    const around = testImageContext(folder)
    const refused: unknown = await openSource(parseReference(`oci:${folder}`), around).catch((error: unknown) => error)
    const { message, next } = refused as { message: string; next: string[] }
    const names = /there are (.+)$/.exec(message)?.[1]?.split(', ') ?? []
    const advised = next.map((each) => /^Name one: (.+)$/.exec(each)?.[1] ?? '')
    const found: string[] = []
    for (const each of [...names.map((name) => `oci:${folder}:${name}`), ...advised]) {
      const source = await openSource(parseReference(each), around)
      found.push((await source.manifest()).digest)
    }
    expect(new Set(found)).toEqual(new Set(digests))
  })
})

describe('a destination with a tag and a digest (image-relocation#33)', () => {
  it('gets the tag when the image has the digest, and nothing else does', async () => {
    const folder = await testFolder()
    const image = await makeImage({ files: [{ 'etc/a': 'a' }] })
    await writeLayout(join(folder, 'in'), image)
    const registry = await startRegistry()
    const around = testImageContext(folder)
    const copy = async (to: string) => {
      const source = await openSource(parseReference(`oci:${folder}/in`), around)
      return copyImage(source, await openDestination(parseReference(to), around), { ...options })
    }
    await copy(`docker://${registry.host}/app:v1@${image.digest}`)
    expect(registry.manifests.has('app:v1')).toBe(true)
    await expect(copy(`docker://${registry.host}/app:v2@${digest}`)).rejects.toMatchObject({ kind: 'invalid' })
    expect(registry.manifests.has('app:v2')).toBe(false)
  })
})

describe('a foreign layer (go-containerregistry#709)', () => {
  const theirs = content('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', () => Buffer.from('theirs'))
  const named = { ...theirs.descriptor, urls: ['https://example.com/layer'] }
  const image = content(dockerManifest, () =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: dockerManifest,
        config: { ...config.descriptor, mediaType: 'application/vnd.docker.container.image.v1+json' },
        layers: [named, layer('ours').descriptor],
      }),
    ),
  )
  const contents = [image, config, layer('ours')]

  it("has OCI's type in a manifest of OCI", async () => {
    const written: string[] = []
    const to = forgetfulDestination({
      holds: 'oci',
      putManifest: async (raw) => {
        const manifest = parseManifest(raw, 'x')
        if (manifest.kind === 'manifest') written.push(...manifest.layers.map((each) => each.mediaType))
      },
    })
    await copyImage(memorySource(contents), to, options)
    expect(written[0]).toBe('application/vnd.oci.image.layer.nondistributable.v1.tar+gzip')
  })

  it('that is missing where all layers are needed is called one, with its address', async () => {
    const copied = copyImage(memorySource(contents), forgetfulDestination({ holds: 'one-docker-image' }), options)
    await expect(copied).rejects.toMatchObject({
      message: expect.stringContaining('foreign'),
      next: [expect.stringContaining('https://example.com/layer'), expect.stringContaining('oci:')],
    })
  })

  it.each(['unavailable', 'precondition', 'not-found'] as const)(
    'is named when a registry refuses the manifest for it (%s)',
    async (kind) => {
      const said = new Failure(kind, 'cannot push the manifest 1: blob unknown to registry (HTTP 500)')
      const to = forgetfulDestination({ putManifest: () => Promise.reject(said) })
      await expect(copyImage(memorySource(contents), to, options)).rejects.toMatchObject({
        kind,
        message: said.message,
        next: [expect.stringContaining('https://example.com/layer'), expect.stringContaining('allow')],
      })
    },
  )

  it('is not blamed when the push is interrupted', async () => {
    const said = new Failure('cancelled', 'interrupted')
    const to = forgetfulDestination({ putManifest: () => Promise.reject(said) })
    await expect(copyImage(memorySource(contents), to, options)).rejects.toBe(said)
  })
})

describe('a docker archive that was made by hand', () => {
  it.each([
    [
      './ before its names',
      (folder: string) => [
        '-cf',
        join(folder, 'a.tar'),
        '-C',
        join(folder, 'in'),
        './manifest.json',
        './c.json',
        './l.tar',
      ],
      './',
    ],
    [
      './ in manifest.json alone',
      (folder: string) => ['-cf', join(folder, 'a.tar'), '-C', join(folder, 'in'), 'manifest.json', 'c.json', 'l.tar'],
      './',
    ],
    [
      'a sparse file that nobody asks for',
      (folder: string) => [
        '--format=gnu',
        '-cSf',
        join(folder, 'a.tar'),
        '-C',
        join(folder, 'in'),
        'manifest.json',
        'notes',
        'c.json',
        'l.tar',
      ],
      '',
    ],
    [
      'a sparse file of many holes',
      (folder: string) => [
        '--format=gnu',
        '-cSf',
        join(folder, 'a.tar'),
        '-C',
        join(folder, 'in'),
        'holes',
        'manifest.json',
        'c.json',
        'l.tar',
      ],
      '',
    ],
  ])('is read with %s', async (_, args, before) => {
    const folder = await testFolder()
    await mkdir(join(folder, 'in/x'), { recursive: true })
    await writeFile(join(folder, 'in/x/a'), 'a')
    await execa('tar', ['-cf', join(folder, 'in/l.tar'), '-C', join(folder, 'in/x'), 'a'])
    const { stdout } = await execa('sha256sum', [join(folder, 'in/l.tar')])
    const rootfs = { type: 'layers', diff_ids: [`sha256:${stdout.slice(0, 64)}`] }
    await writeFile(join(folder, 'in/c.json'), JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs }))
    const list = [{ Config: `${before}c.json`, RepoTags: ['x:1'], Layers: [`${before}l.tar`] }]
    await writeFile(join(folder, 'in/manifest.json'), JSON.stringify(list))
    await execa('truncate', ['-s', '4M', join(folder, 'in/notes')])
    const holes = Buffer.alloc(64 * 64 * 1024)
    for (let at = 0; at < holes.length; at += 64 * 1024) holes.write('x', at)
    await writeFile(join(folder, 'in/dense'), holes)
    await execa('cp', ['--sparse=always', join(folder, 'in/dense'), join(folder, 'in/holes')])
    await execa('tar', args(folder))
    const source = await openSource(parseReference(`docker-archive:${folder}/a.tar`), testImageContext(folder))
    expect((await copyImage(source, forgetfulDestination(), options)).blobs.written).toBe(2)
    await source.close()
  })
})

describe('files of an image of one’s own', () => {
  it.each(['.wh.words', '.wh..wh..opq', '.wh.folder/a'])(
    'named %s are refused: in a layer they delete',
    async (name) => {
      const folder = await testFolder()
      await mkdir(join(folder, 'in', name, '..'), { recursive: true })
      await writeFile(join(folder, 'in', name), 'x')
      const entries = await folderEntries(join(folder, 'in'), '/texts')
      await expect(writeLayer(entries, join(folder, 'layer'), 0, signal)).rejects.toMatchObject({
        kind: 'invalid',
        message: expect.stringContaining('.wh.'),
      })
    },
  )

  it('that are none are told', async () => {
    const folder = await testFolder()
    await execa('mkfifo', [join(folder, 'fifo')])
    await expect(folderTree(folder).files(['.'])).rejects.toMatchObject({ where: join(folder, 'fifo') })
  })
})

describe('what expands', () => {
  const bomb = (times: number) =>
    (async function* () {
      const frame = zstdCompressSync(Buffer.alloc(64 * 2 ** 20))
      for (let at = 0; at < times; at += 1) yield frame
    })()

  it('without a bound is ended at one that is told', async () => {
    let bytes = 0
    const reading = async () => {
      for await (const piece of expanded(bomb(64), 'zstd', 'x')) bytes += piece.byteLength
    }
    await expect(reading()).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringMatching(/1\.0 GiB and 1000 times/),
    })
    expect(bytes).toBeLessThanOrEqual(2 ** 30)
  })

  it('within the bound is given whole, however small it was', async () => {
    let bytes = 0
    for await (const piece of expanded(bomb(4), 'zstd', 'x')) bytes += piece.byteLength
    expect(bytes).toBe(256 * 2 ** 20)
  })
})

describe('the lock of a definition keeps the file', () => {
  const line = `digest: ${digest}`
  it.each([
    [
      'line ends of Windows',
      'name: a\r\nbase:\r\n  image: h.example/b:1   # tag\r\nplatforms: [linux/amd64]\r\n',
      `name: a\r\nbase:\r\n  image: h.example/b:1   # tag\r\n  ${line}\r\nplatforms: [linux/amd64]\r\n`,
    ],
    [
      'blanks before a comment',
      'base:\n  image: h.example/b:1     # tag\n\n\nname: a\n',
      `base:\n  image: h.example/b:1     # tag\n  ${line}\n\n\nname: a\n`,
    ],
    [
      'no line end at its end',
      'name: a\nbase:\n    image: "h.example/b:1"',
      `name: a\nbase:\n    image: "h.example/b:1"\n    ${line}\n`,
    ],
    [
      'a map in one line',
      'base: { image: h.example/b:1 } # x\nname: a\n',
      `base: { image: h.example/b:1, ${line} } # x\nname: a\n`,
    ],
    [
      'an alias',
      'x: &b { image: h.example/b:1 }\nname: a\nbase: *b\n',
      `x: &b { image: h.example/b:1, ${line} }\nname: a\nbase: *b\n`,
    ],
    [
      'an alias of a block',
      'x: &b\n  image: h.example/b:1\nname: a\nbase: *b\n',
      `x: &b\n  image: h.example/b:1\n  ${line}\nname: a\nbase: *b\n`,
    ],
    [
      'an older digest',
      `base:\r\n  digest: 'sha256:0'   # old\r\n  image: h.example/b:1\r\n`,
      `base:\r\n  digest: ${digest}   # old\r\n  image: h.example/b:1\r\n`,
    ],
  ])('with %s', async (_, before, after) => {
    const file = join(await testFolder(), 'd.yaml')
    await writeFile(file, before)
    await refreshLock(file, async () => digest)
    expect(await readFile(file, 'utf8')).toBe(after)
    // What was written is what is read.
    expect(await refreshLock(file, async () => digest)).toMatchObject({ before: digest })
    expect(await readFile(file, 'utf8')).toBe(after)
  })
})
