import { describe, expect, it } from 'vitest'
import { copyProgress } from '../../../src/cli/image/progress.ts'
import type { Descriptor } from '../../../src/image/manifest.ts'

const blob = (digit: string, size: number): Descriptor => ({
  mediaType: 'a/b',
  digest: `sha256:${digit.repeat(64)}`,
  size,
})

describe('the progress of a copy', () => {
  it('shows a bar, bytes, rate and what was skipped, no oftener than asked', () => {
    let now = 1000
    const said: string[] = []
    const clock = { now: () => now, after: () => () => undefined }
    const progress = copyProgress({ clock, say: (text) => said.push(text), everyMs: 100, bar: true })
    const [a, b, c] = [blob('a', 1024), blob('b', 1024), blob('c', 2048)]
    progress.planned?.([a, b, c])
    progress.finished?.(a, 'present')
    progress.finished?.(b, 'mounted')
    expect(said).toEqual([])
    now += 1000
    progress.moved?.(c, 1024)
    progress.moved?.(c, 1024)
    expect(said).toEqual(['[##################------] 3.0 KiB of 4.0 KiB, 1.0 KiB/s; 1 already there, 1 mounted'])
    expect(progress.summary()).toBe('2.0 KiB of 4.0 KiB sent, 2.0 KiB/s; 1 already there, 1 mounted')
  })

  it('says how long the rest takes, once a rate is not luck, and not when nothing is left', () => {
    let now = 0
    const said: string[] = []
    const clock = { now: () => now, after: () => () => undefined }
    const progress = copyProgress({ clock, say: (text) => said.push(text), everyMs: 1, bar: false })
    const [one] = [blob('a', 1024 * 1024)]
    progress.planned?.([one])
    for (const [at, bytes] of [
      [1000, 1024],
      [4000, 1024],
      [8000, 1024 * 510],
      [9000, 1024 * 512],
    ] as const) {
      now = at
      progress.moved?.(one, bytes)
    }
    expect(said.map((each) => each.split(', ')[2])).toEqual([undefined, '34 min left', '8 s left', undefined])
  })

  it('has no rate when nothing had to be sent', () => {
    const clock = { now: () => 0, after: () => () => undefined }
    const progress = copyProgress({ clock, say: () => undefined, everyMs: 1, bar: false })
    progress.planned?.([blob('a', 2048)])
    progress.finished?.(blob('a', 2048), 'present')
    expect(progress.summary()).toBe('0 B of 2.0 KiB sent; 1 already there')
  })
})
