import { describe, expect, test } from 'vitest'
import type { Digest } from '../../../src/core/digest.ts'
import { createGhosts } from '../../../src/store/disk/ghosts.ts'

/** As evenly spread as a hash, and made in no time. */
function digestOf(at: number): Digest {
  const words = [0x9e3779b1, 0x85ebca77].map(
    (factor) => (Math.imul(at + 1, factor) ^ (Math.imul(at + 1, factor) >>> 15)) >>> 0,
  )
  return {
    fn: 'sha256',
    hash: words
      .map((word) => word.toString(16).padStart(8, '0'))
      .join('')
      .padEnd(64, '0'),
    size: 1,
  }
}

describe('what is remembered of evicted values', () => {
  test('is told once: how long ago the last use was, and its reuse', () => {
    const ghosts = createGhosts(1_000_000)
    ghosts.add(digestOf(1), 320, 90)
    expect(ghosts.take(digestOf(2), 6400)).toBeUndefined()
    expect(ghosts.take(digestOf(1), 6400)).toEqual({ idleSteps: 6080, reuse: 90 })
    expect(ghosts.take(digestOf(1), 6400)).toBeUndefined()
  })

  test('is told rightly after ages beyond what a word holds', () => {
    const ghosts = createGhosts(1_000_000)
    ghosts.add(digestOf(1), 2 ** 32 - 64, 2)
    expect(ghosts.take(digestOf(1), 2 ** 32 + 640)?.idleSteps).toBe(704)
  })

  test.each([
    { bytesMax: 1, most: 1024 },
    { bytesMax: 8_000_000, most: 4096 },
  ])('is bounded for a store of $bytesMax bytes, and a circle that is larger is not forgotten whole', (size) => {
    const { bytesMax, most } = size
    const ghosts = createGhosts(bytesMax)
    const circle = 3 * most
    for (let at = 0; at < circle; at += 1) ghosts.add(digestOf(at), 1, 0)
    let first = 0
    let all = 0
    for (let at = 0; at < circle; at += 1) {
      if (!ghosts.take(digestOf(at), 1)) continue
      all += 1
      if (at < most / 2) first += 1
    }
    expect(all).toBeLessThanOrEqual(most)
    expect(all).toBeGreaterThan(most * 0.7)
    expect(first).toBeGreaterThan(most / 100)
  })

  test('is not lost to a scan where something is known of its reuse', () => {
    const ghosts = createGhosts(1)
    for (let at = 0; at < 200; at += 1) ghosts.add(digestOf(at), 1, 90)
    for (let at = 1000; at < 21_000; at += 1) ghosts.add(digestOf(at), 1, 0)
    let left = 0
    for (let at = 0; at < 200; at += 1) if (ghosts.take(digestOf(at), 1)) left += 1
    expect(left).toBeGreaterThan(190)
  })
})
