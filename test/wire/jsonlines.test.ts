import { Readable } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonLine, readJsonLines } from '../../src/wire/jsonlines.ts'

async function values(pieces: readonly (string | Buffer)[], lineLengthMax = 1_000_000): Promise<unknown[]> {
  const all: unknown[] = []
  const source = Readable.from(pieces.map((each) => Buffer.from(each)))
  for await (const value of readJsonLines(source, lineLengthMax)) all.push(value)
  return all
}

test('values come back as they went, however the bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.jsonValue()), fc.integer({ min: 1, max: 7 }), async (sent, width) => {
      const bytes = Buffer.from(sent.map(jsonLine).join(''))
      const pieces: Buffer[] = []
      for (let at = 0; at < bytes.length; at += width) pieces.push(bytes.subarray(at, at + width))
      expect(JSON.stringify(await values(pieces))).toBe(JSON.stringify(sent))
    }),
  )
})

test('a last line without its end counts, empty lines do not', async () => {
  expect(await values(['1\n\n', '2'])).toEqual([1, 2])
})

test('a line that is too long is refused, also before it has ended', async () => {
  await expect(values(['"123456789"\n'], 5)).rejects.toMatchObject({ kind: 'invalid' })
  await expect(values(['"1234', '56789'], 5)).rejects.toMatchObject({ kind: 'invalid' })
})

test('any other bytes are refused as no JSON', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 50 }), async (bytes) => {
      const read = values([Buffer.from(bytes)])
      await read.catch((error: unknown) => expect(error).toMatchObject({ kind: 'invalid' }))
    }),
  )
})
