import { describe, expect, it } from 'vitest'
import { copyImage } from '../../src/image/copy.ts'
import { ociConfig, ociManifest } from '../../src/image/media-types.ts'
import type { Destination } from '../../src/image/medium.ts'
import { parsePlatform } from '../../src/image/platform.ts'
import {
  type Content,
  config,
  content,
  forgetfulDestination,
  index,
  layer,
  manifest,
  memorySource,
} from '../fixture/memory-places.ts'

const { signal } = new AbortController()

function copy(contents: readonly Content[], platform: string, isPlatformNamed: boolean, to: Partial<Destination> = {}) {
  const options = { platform: parsePlatform(platform), isPlatformNamed, preserveDigests: false, signal }
  return copyImage(memorySource(contents), forgetfulDestination(to), options)
}

describe('the platform of an image', () => {
  const image = manifest([])
  const bare = index([image.descriptor])

  it.each([
    { what: 'an image', contents: [image, config] },
    { what: 'an index around an image without a platform', contents: [bare, image, config] },
  ])('that somebody named is not another one, for $what', async ({ contents }) => {
    await expect(copy(contents, 'linux/arm64', true)).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringContaining('linux/arm64'),
      next: [expect.stringContaining('linux/amd64')],
    })
    expect((await copy(contents, 'linux/amd64', true)).digest).toBe(image.descriptor.digest)
  })

  it('that nobody named is whichever there is', async () => {
    expect((await copy([image, config], 'linux/arm64', false)).digest).toBe(image.descriptor.digest)
  })

  it('is none for an artifact', async () => {
    const facts = content('application/vnd.example.facts+json', () => Buffer.from('{}'))
    const artifact = content('application/vnd.oci.image.manifest.v1+json', () =>
      Buffer.from(JSON.stringify({ schemaVersion: 2, config: facts.descriptor, layers: [] })),
    )
    expect((await copy([artifact, facts], 'linux/arm64', true)).digest).toBe(artifact.descriptor.digest)
  })
})

/** An image with a config of its own for a platform, and its entry in an index. */
function imageFor(text: string, entryText = text) {
  const platform = text === '' ? { os: '', architecture: '' } : parsePlatform(text)
  const own = content(ociConfig, () =>
    Buffer.from(JSON.stringify({ ...platform, rootfs: { type: 'layers', diff_ids: [] } })),
  )
  const image = content(ociManifest, () =>
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config: own.descriptor, layers: [] })),
  )
  const entry = entryText === '' ? {} : { platform: parsePlatform(entryText) }
  return { contents: [image, own], entry: { ...image.descriptor, ...entry }, digest: image.descriptor.digest }
}

describe('of several variants', () => {
  const all = (...texts: string[]) => texts
  it.each([
    ['linux/amd64', all('linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64'), 'linux/amd64'],
    ['linux/amd64', all('linux/amd64/v3', 'linux/amd64/v1'), 'linux/amd64/v1'],
    ['linux/amd64', all('linux/amd64/v3', 'linux/amd64/v2'), undefined],
    ['linux/amd64/v3', all('linux/amd64', 'linux/amd64/v2', 'linux/amd64/v3', 'linux/amd64/v4'), 'linux/amd64/v3'],
    ['linux/amd64/v4', all('linux/amd64', 'linux/amd64/v2', 'linux/amd64/v3'), 'linux/amd64/v3'],
    ['linux/amd64/v2', all('linux/amd64', 'linux/amd64/v3'), 'linux/amd64'],
    ['linux/arm', all('linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7'), 'linux/arm/v7'],
    ['linux/arm/v7', all('linux/arm/v5', 'linux/arm/v6', 'linux/arm/v8'), 'linux/arm/v6'],
    ['linux/arm/v6', all('linux/arm/v7', 'linux/arm/v5'), 'linux/arm/v5'],
    ['linux/arm/v5', all('linux/arm/v7', 'linux/arm/v6'), undefined],
    ['linux/arm64', all('linux/arm/v7', 'linux/arm64/v8'), 'linux/arm64/v8'],
    ['linux/arm64/v8', all('linux/arm64'), 'linux/arm64'],
    ['linux/arm64', all('linux/arm64/v9', 'linux/arm64/v8.0'), 'linux/arm64/v8.0'],
    ['linux/arm64/v9', all('linux/arm64/v8', 'linux/arm64/v8.5', 'linux/arm64/v8.6'), 'linux/arm64/v8.5'],
    ['linux/arm64/v8.6', all('linux/arm64/v9', 'linux/arm64/v8.2'), 'linux/arm64/v8.2'],
    ['linux/riscv64', all('linux/riscv64/rva23u64', 'linux/riscv64'), 'linux/riscv64'],
    ['linux/386', all('linux/amd64'), undefined],
    ['windows/amd64', all('linux/amd64'), undefined],
  ] as const)(
    'for %s out of %j the one of %s is taken, in whichever order they stand',
    async (wanted, there, expected) => {
      for (const texts of [there, [...there].reverse()]) {
        const images = texts.map((each) => imageFor(each))
        const contents = [index(images.map((each) => each.entry)), ...images.flatMap((each) => each.contents)]
        const chosen = images[texts.indexOf(expected ?? '')]?.digest
        for (const isNamed of [true, false])
          if (chosen) expect((await copy(contents, wanted, isNamed)).digest).toBe(chosen)
          else await expect(copy(contents, wanted, isNamed)).rejects.toMatchObject({ kind: 'not-found' })
      }
    },
  )

  it('takes what the processor runs too where nobody named a platform, and only then', async () => {
    for (const [wanted, other] of [
      ['linux/amd64', 'linux/386'],
      ['linux/arm64', 'linux/arm/v7'],
    ] as const) {
      const image = imageFor(other)
      const contents = [index([imageFor('linux/s390x').entry, image.entry]), ...image.contents]
      expect((await copy(contents, wanted, false)).digest).toBe(image.digest)
      await expect(copy(contents, wanted, true)).rejects.toMatchObject({ kind: 'not-found' })
    }
  })

  it('asks the configs of images whose entries say no platform', async () => {
    const images = ['linux/arm64', 'linux/amd64'].map((each) => imageFor(each, ''))
    const contents = [index(images.map((each) => each.entry)), ...images.flatMap((each) => each.contents)]
    expect((await copy(contents, 'linux/amd64', true)).digest).toBe(images[1]?.digest)
    await expect(copy(contents, 'linux/s390x', true)).rejects.toMatchObject({
      next: [expect.stringContaining('linux/arm64, linux/amd64')],
    })
  })

  it('takes a config without a variant for what its entry says', async () => {
    const image = imageFor('linux/arm', 'linux/arm/v6')
    expect((await copy([index([image.entry]), ...image.contents], 'linux/arm/v6', true)).digest).toBe(image.digest)
  })
})

describe('an index of what are not images', () => {
  const cached = layer('cached')
  const facts = content('application/vnd.buildkit.cacheconfig.v0', () => Buffer.from('{"layers":[]}'))
  const cache = index([cached.descriptor, facts.descriptor])

  it('says that --all copies it, and that does', async () => {
    await expect(copy([cache, cached, facts], 'linux/amd64', false)).rejects.toMatchObject({
      kind: 'not-found',
      next: [expect.stringContaining('--all')],
    })
    const options = { platform: 'all', preserveDigests: true, signal } as const
    const copied = await copyImage(memorySource([cache, cached, facts]), forgetfulDestination(), options)
    expect(copied).toMatchObject({ digest: cache.descriptor.digest, blobs: { written: 2 } })
  })

  it('is told by the type of what is there under no digest of a blob', async () => {
    const options = { platform: 'all', preserveDigests: true, signal } as const
    await expect(copyImage(memorySource([cache, cached]), forgetfulDestination(), options)).rejects.toMatchObject({
      kind: 'unimplemented',
      message: expect.stringContaining('buildkit.cacheconfig'),
    })
  })
})

describe('a layer that may not be given on', () => {
  const theirs = content('application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', () => Buffer.from('theirs'))
  const named = { ...theirs.descriptor, urls: ['https://example.com/layer'] }
  const ours = layer('ours')

  it('is named with the addresses of whoever may, and its bytes stay there', async () => {
    const image = manifest([named, ours.descriptor])
    const asked: string[] = []
    const hasBlob = async ({ digest }: { digest: string }) => asked.push(digest) > 1000
    const { digest, blobs } = await copy([image, config, ours], 'linux/amd64', false, { hasBlob })
    expect(digest).toBe(image.descriptor.digest)
    expect(blobs.written).toBe(2)
    expect(asked).not.toContain(theirs.descriptor.digest)
  })

  it('without an address, or into a place that needs all layers, is copied like any other', async () => {
    const unnamed = manifest([theirs.descriptor, ours.descriptor])
    expect((await copy([unnamed, config, ours, theirs], 'linux/amd64', false)).blobs.written).toBe(3)
    const image = manifest([named, ours.descriptor])
    const one = { holds: 'one-docker-image' } as const
    expect((await copy([image, config, ours, theirs], 'linux/amd64', false, one)).blobs.written).toBe(3)
  })
})
