import fc from 'fast-check'
import { expect, test } from 'vitest'
import { evenPieces } from '../../src/core/even-pieces.ts'

test('pieces are as long as the buffer, but for the last, and are the stream', async () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)))
  await fc.assert(
    fc.asyncProperty(chunks, fc.integer({ min: 1, max: 9 }), async (all, length) => {
      async function* stream() {
        yield* all
      }
      const pieces: Buffer[] = []
      for await (const piece of evenPieces(stream(), Buffer.alloc(length))) pieces.push(Buffer.from(piece))
      expect(Buffer.concat(pieces)).toEqual(Buffer.concat(all))
      expect(pieces.slice(0, -1).every((piece) => piece.length === length)).toBe(true)
    }),
  )
})
