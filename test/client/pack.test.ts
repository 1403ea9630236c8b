import { expect, it } from 'vitest'
import { pack } from '../../src/client/pack.ts'
import type { Digest } from '../../src/core/digest.ts'
import { smallBlobBytesMax } from '../../src/core/limits.ts'

const blob = (name: number, size: number, fn: Digest['fn'] = 'sha256'): Digest => ({
  fn,
  hash: name.toString(16).padStart(64, '0'),
  size,
})
const own = (digest: Digest) => digest

it('small blobs go together as far as they fit, others as streams, each once and the empty one never', () => {
  const [a, b, c] = [blob(1, 300), blob(2, 300), blob(3, 300)]
  const large = blob(4, smallBlobBytesMax + 1)
  expect(pack([a, b, a, blob(0, 0), large, c], own, 1_000)).toEqual({ batches: [[a, b], [c]], streams: [large] })
})

it('a blob that fits into no batch is a stream', () => {
  const wide = blob(1, 900)
  expect(pack([wide], own, 1_000)).toEqual({ batches: [], streams: [wide] })
})

it('a batch has one digest function, and no more blobs than a call may name', () => {
  const [one, other] = [blob(1, 10), blob(2, 10, 'blake3')]
  expect(pack([one, other], own, 1_000).batches).toEqual([[one], [other]])
  const many = Array.from({ length: 4_001 }, (_, at) => blob(at + 1, 1))
  expect(pack(many, own, 10_000_000).batches.map(({ length }) => length)).toEqual([4_000, 1])
})
