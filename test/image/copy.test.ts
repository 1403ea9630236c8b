import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { copyImage } from '../../src/image/copy.ts'
import type { Destination } from '../../src/image/medium.ts'
import {
  type Content,
  config,
  forgetfulDestination,
  index,
  layer,
  manifest,
  memorySource,
} from '../fixture/memory-places.ts'

const { signal } = new AbortController()
const memoryMiBMax = 400

function copy(contents: readonly Content[], changes: Partial<Destination> = {}, asked: AbortSignal = signal) {
  const options = { platform: 'all', preserveDigests: true, signal: asked } as const
  return copyImage(memorySource(contents), forgetfulDestination(changes), options)
}

describe('an index', () => {
  it('of many large manifests is copied without keeping them', async () => {
    const child = join(import.meta.dirname, '../fixture/wide-index-child.ts')
    const { stdout } = await execa(process.execPath, [child, '100'])
    expect(Number(stdout)).toBeLessThan(memoryMiBMax)
  })

  it('that names indexes may not lead to manifests without end', async () => {
    const images = Array.from({ length: 1500 }, (_, at) => manifest([], () => ({ at: String(at) })))
    const parts = [0, 500, 1000].map((from) => index(images.slice(from).map(({ descriptor }) => descriptor)))
    const many = index([...parts, ...images].map(({ descriptor }) => descriptor))
    await expect(copy([many, ...parts, ...images, config])).rejects.toMatchObject({
      kind: 'exhausted',
      message: expect.stringContaining('4096 manifests'),
      where: 'memory',
    })
  })

  it('that names an image several times has it written once', async () => {
    const image = manifest([])
    const inner = index([image.descriptor])
    const root = index([image.descriptor, inner.descriptor, image.descriptor])
    const written: string[] = []
    await copy([root, image, inner, config], { putManifest: async ({ digest }) => void written.push(digest) })
    expect(written).toEqual([image, inner, root].map(({ descriptor }) => descriptor.digest))
  })
})

describe('the blobs of an image', () => {
  it('are not sent to their ends when another one has failed, and all have ended before that is told', async () => {
    const [bad, ...large] = [layer('bad'), layer('a'.repeat(5000)), layer('b'.repeat(5000))]
    const root = manifest([...large, bad as Content].map(({ descriptor }) => descriptor))
    let bytes = 0
    let ended = 0
    const refused = new Failure('denied', 'the quota is used up')
    const began = Promise.withResolvers<void>()
    const failed = copy([root, bad as Content, ...large, config], {
      hasBlob: async ({ digest }) => digest === config.descriptor.digest,
      async putBlob({ digest }, open) {
        if (digest === bad?.descriptor.digest) {
          await began.promise
          throw refused
        }
        try {
          for await (const piece of await open()) {
            bytes += piece.byteLength
            began.resolve()
          }
        } finally {
          ended += 1
        }
        return 'written'
      },
      abort: async () => expect(ended).toBe(2),
    })
    await expect(failed).rejects.toBe(refused)
    expect(bytes).toBeLessThan(1000)
  })

  it('that was interrupted tells the interrupt, not what followed from it', async () => {
    const large = [layer('a'.repeat(5000)), layer('b'.repeat(5000))]
    const root = manifest(large.map(({ descriptor }) => descriptor))
    const stop = new AbortController()
    const interrupt = new Failure('cancelled', 'interrupted')
    const failed = copy(
      [root, ...large, config],
      {
        async putBlob(_, open) {
          for await (const _ of await open()) stop.abort(interrupt)
          return 'written'
        },
      },
      stop.signal,
    )
    await expect(failed).rejects.toBe(interrupt)
  })

  it('are refused when one digest is said to have two sizes', async () => {
    const one = layer('layer')
    const root = manifest([{ ...one.descriptor, size: 4 }, one.descriptor])
    const refused = copy([root, one, config])
    await expect(refused).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(`${one.descriptor.digest} is listed with 4 bytes and with 5`),
    })
  })
})
