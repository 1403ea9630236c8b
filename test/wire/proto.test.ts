import { expect, test } from 'vitest'
import { re } from '../../src/wire/proto.ts'

test('a 64-bit size is read as a plain number', () => {
  const bytes = re.Digest.encode({ hash: 'ab', sizeBytes: 2 ** 40 + 1 }).finish()
  expect(re.Digest.decode(bytes).sizeBytes).toBe(2 ** 40 + 1)
})

test('a size beyond what a number holds exactly is seen to be unsafe', () => {
  const bytes = Buffer.from('10ffffffffffffffff7f', 'hex')
  expect(Number.isSafeInteger(re.Digest.decode(bytes).sizeBytes)).toBe(false)
})

test('absent fields read as their defaults', () => {
  expect(re.Digest.decode(Buffer.alloc(0)).sizeBytes).toBe(0)
})
