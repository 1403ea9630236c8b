import { expect, test } from 'vitest'
import { parseProperty, parseSizeFlag, parseSpanFlag } from '../../src/cli/values.ts'

test('a property is what stands before and behind the first equals sign', () => {
  expect(parseProperty('container-image=docker://a/b:1?x=y')).toEqual({
    name: 'container-image',
    value: 'docker://a/b:1?x=y',
  })
  expect(parseProperty('empty=')).toEqual({ name: 'empty', value: '' })
})

test.each(['', 'name', '=value'])('%j is not a property', (text) => {
  expect(() => parseProperty(text)).toThrow(expect.objectContaining({ kind: 'invalid', where: '--property' }))
})

test('a size or a span that is none names its flag', () => {
  expect(parseSizeFlag('20GB', '--cache-size')).toBe(20e9)
  expect(() => parseSizeFlag('big', '--cache-size')).toThrow(
    expect.objectContaining({ kind: 'invalid', where: '--cache-size' }),
  )
  expect(() => parseSpanFlag('long', '--timeout')).toThrow(expect.objectContaining({ where: '--timeout' }))
})
