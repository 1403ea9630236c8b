import { describe, expect, test } from 'vitest'
import { addressList, isAddressPattern, listHas, matchesName, parseHostPattern } from '../../src/core/host-pattern.ts'

describe('a host in a configuration', () => {
  test.each([
    'example.com',
    'Example.COM',
    '*.example.com',
    'localhost',
    'a_b',
    '10.1.2.3',
    '10.0.0.0/8',
    '::1',
    'fd00::/8',
  ])('%s is one', (text) => expect(parseHostPattern(text)).toBe(text.toLowerCase()))

  test.each([
    '',
    '*',
    'a..b',
    '*.',
    '*.*.com',
    'http://a',
    'a:80',
    '[::1]',
    '10.0.0.0/33',
    '10.0.0.0/',
    '1/2/3',
    'a/8',
    '::/129',
    'a b',
  ])('%j is none', (text) => expect(() => parseHostPattern(text)).toThrow(/expected a host/))

  test.each([
    ['*.example.com', 'a.example.com', true],
    ['*.example.com', 'a.b.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'aexample.com', false],
    ['example.com', 'example.com', true],
    ['example.com', 'a.example.com', false],
  ])('%s means %s: %s', (pattern, name, means) => expect(matchesName(pattern, name)).toBe(means))

  test('networks', () => {
    const list = addressList(['10.1.0.0/16', '127.0.0.1', 'fe80::/10'].filter(isAddressPattern))
    expect(
      ['10.1.2.3', '10.2.0.0', '127.0.0.1', '127.0.0.2', 'fe80::1%lo', '::1', 'a'].map((each) => listHas(list, each)),
    ).toEqual([true, false, true, false, true, false, false])
  })
})
