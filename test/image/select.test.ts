import { describe, expect, it } from 'vitest'
import { copyImage } from '../../src/image/copy.ts'
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
