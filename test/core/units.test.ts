import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseSize, parseSpan, sizeText, spanText } from '../../src/core/units.ts'

test.each([
  ['20GB', 20e9],
  ['512MiB', 512 * 2 ** 20],
  ['1048576', 1_048_576],
  ['1.5 GiB', 1.5 * 2 ** 30],
  ['10kb', 10_000],
])('%s is %d bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes)
})

test.each(['', 'GB', '-1', '1 XB', '1e9', '99999999999TB', 'toString'])('"%s" is not a size', (text) => {
  expect(() => parseSize(text)).toThrow(expect.objectContaining({ kind: 'invalid' }))
})

test.each([
  ['90s', 90_000],
  ['15m', 900_000],
  ['250ms', 250],
  ['1.5h', 5_400_000],
  ['2d', 172_800_000],
])('%s is %d ms', (text, ms) => {
  expect(parseSpan(text)).toBe(ms)
})

test.each(['', '5', 's', '-1s', '1y'])('"%s" is not a duration', (text) => {
  expect(() => parseSpan(text)).toThrow(expect.objectContaining({ kind: 'invalid' }))
})

test('a size that is shown can be read again, within its rounding', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (bytes) => {
      expect(Math.abs(parseSize(sizeText(bytes)) - bytes)).toBeLessThanOrEqual(bytes * 0.06)
    }),
  )
})

test.each([
  [0, '0 ms'],
  [999.4, '999 ms'],
  [1000, '1 s'],
  [3_240, '3.2 s'],
  [9_960, '10 s'],
  [119_400, '119 s'],
  [5 * 60_000, '5 min'],
  [3 * 3_600_000, '3 h'],
  [3 * 86_400_000, '3 days'],
])('%d ms are "%s" for people', (ms, text) => {
  expect(spanText(ms)).toBe(text)
})
