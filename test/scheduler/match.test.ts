import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { effectivePlatform, matches, offerOf, platformOf, refusalText } from '../../src/scheduler/match.ts'

const linux = { name: 'OSFamily', value: 'Linux' }
const arm = { name: 'ISA', value: 'arm64' }
const x86 = { name: 'ISA', value: 'x86-64' }

test('each property has to be offered by exact name and value', () => {
  expect(matches(platformOf([linux]), offerOf([linux, x86]))).toBe(true)
  expect(matches(platformOf([{ name: 'OSFamily', value: 'linux' }]), offerOf([linux]))).toBe(false)
  expect(matches(platformOf([linux, arm]), offerOf([linux, x86]))).toBe(false)
  expect(matches(platformOf([]), offerOf([]))).toBe(true)
})

test('rule 32: names may repeat; each value has to be offered', () => {
  const offer = offerOf([arm, x86])
  expect(matches(platformOf([arm, x86]), offer)).toBe(true)
  expect(matches(platformOf([arm, { name: 'ISA', value: 'riscv' }]), offer)).toBe(false)
})

test('rule 32: Action.platform wins, else Command.platform', () => {
  expect(effectivePlatform([arm], [x86])).toEqual([arm])
  expect(effectivePlatform([], [x86])).toEqual([x86])
})

test('the order of properties does not matter', () => {
  expect(platformOf([arm, linux]).key).toBe(platformOf([linux, arm]).key)
})

test('different properties never share a key', () => {
  const properties = fc.array(fc.record({ name: fc.string(), value: fc.string() }), { maxLength: 4 })
  fc.assert(
    fc.property(properties, properties, (a, b) => {
      const same = matches(platformOf(a), offerOf(b)) && matches(platformOf(b), offerOf(a))
      fc.pre(a.length === b.length)
      if (!same) expect(platformOf(a).key).not.toBe(platformOf(b).key)
    }),
  )
})

describe('a refusal tells people', () => {
  test('which property nobody offers, and which values there are', () => {
    const text = refusalText(platformOf([linux, arm]), [offerOf([linux, x86])])
    expect(text).toContain('ISA=arm64')
    expect(text).toContain('offered are: x86-64')
    expect(text).toContain('Connected workers offer: (ISA=x86-64, OSFamily=Linux)')
  })

  test('that no single worker offers all of them', () => {
    const text = refusalText(platformOf([linux, arm]), [offerOf([linux]), offerOf([arm])])
    expect(text).toContain('no single worker offers all of ISA=arm64, OSFamily=Linux')
  })

  test('no more than a few offers', () => {
    const offers = Array.from({ length: 50 }, (_, i) => offerOf([{ name: 'n', value: String(i) }]))
    const text = refusalText(platformOf([arm]), offers)
    expect(text).toContain('and 47 more')
    expect(text.length).toBeLessThan(400)
  })
})
