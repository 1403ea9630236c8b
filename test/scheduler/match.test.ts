import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { effectivePlatform } from '../../src/core/platform.ts'
import { matches, offerOf, platformOf, refusalText } from '../../src/scheduler/match.ts'

const linux = { name: 'OSFamily', value: 'Linux' }
const arm = { name: 'ISA', value: 'arm64' }
const x86 = { name: 'ISA', value: 'x86-64' }

test('each property has to be offered by name and value', () => {
  expect(matches(platformOf([linux]), offerOf([linux, x86]))).toBe(true)
  expect(matches(platformOf([{ name: 'OSFamily', value: 'linus' }]), offerOf([linux]))).toBe(false)
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

test('a worker that runs images takes any of the places that it names, and no other', () => {
  const image = (value: string) => platformOf([{ name: 'container-image', value }])
  const offer = offerOf(['docker://*', 'oci:*'].map((value) => ({ name: 'container-image', value })))
  const wanted = {
    'docker://debian@sha256:00': true,
    'oci:/a': true,
    'docker-daemon:a:1': false,
    debian: false,
    'docker://': false,
  }
  for (const [value, isTaken] of Object.entries(wanted))
    expect([value, matches(image(value), offer)]).toEqual([value, isTaken])
  const labelled = offerOf([{ name: 'container-image', value: 'docker://a:1' }])
  expect(matches(image('docker://a:1'), labelled)).toBe(true)
  expect(matches(image('docker://a:2'), labelled)).toBe(false)
})

describe('limits', () => {
  const limit = (name: string, value: string) => ({ name, value })
  const offer = offerOf([linux], [limit('memory', '8589934592'), limit('cpus', '4'), limit('pids', '100')])

  test.each([
    ['memory', '8GiB', true],
    ['memory', '512 MiB', true],
    ['memory', '8589934593', false],
    ['cpus', '0.5', true],
    ['cpus', '4.5', false],
    ['pids', '100', true],
    ['pids', '101', false],
    // Nobody has a bound for it.
    ['disk', '100TB', true],
    // No amount, hence a label like any other.
    ['memory', 'large', false],
    ['cpus', '0', false],
  ])('%s=%s: %s', (name, value, wanted) => {
    expect(matches(platformOf([linux, limit(name, value)]), offer)).toBe(wanted)
  })

  test('labels of such names are still labels', () => {
    const labelled = offerOf([limit('memory', 'large'), limit('cpus', '64')], [limit('cpus', '2')])
    expect(matches(platformOf([limit('memory', 'large')]), labelled)).toBe(true)
    expect(matches(platformOf([limit('cpus', '64')]), labelled)).toBe(true)
  })

  test('the same amount in other words is the same platform, another is not', () => {
    const keyOf = (value: string) => platformOf([limit('memory', value)]).key
    expect(keyOf('1GiB')).toBe(keyOf('1024MiB'))
    expect(keyOf('1GiB')).not.toBe(keyOf('1GB'))
    expect(offerOf([linux]).key).not.toBe(offer.key)
  })

  test('a refusal names the one that is too large, and the most that there is', () => {
    const smaller = offerOf([linux], [limit('memory', '1073741824')])
    expect(refusalText(platformOf([linux, limit('memory', '64GB')]), [smaller, offer])).toContain(
      'no worker lets an action have memory=64GB (the most is 8.0 GiB)',
    )
  })
})

describe('a refusal tells people', () => {
  test('which property nobody offers, and which values there are', () => {
    const text = refusalText(platformOf([linux, arm]), [offerOf([linux, x86])])
    expect(text).toContain('ISA=arm64')
    expect(text).toContain('offered are: x86-64')
    expect(text).toContain('Connected workers offer: (ISA=x86-64, OSFamily=Linux)')
  })

  test.each([
    ['network', 'on', 'none has `network: allowed` in its configuration'],
    ['container-image', 'docker://debian:13', 'none has `images: { from: [docker] }` in its configuration'],
    ['container-image', 'docker-daemon:tool', 'none has `images: { from: [docker-daemon] }` in its configuration'],
    ['memory', 'large', 'as a limit it would be an amount, such as memory=2GiB'],
    ['cpus', 'all', 'as a limit it would be an amount, such as cpus=0.5'],
  ])('how %s=%s would be had', (name, value, how) => {
    const text = refusalText(platformOf([{ name, value }]), [offerOf([linux])])
    expect(text).toContain(`no worker offers the platform property ${name}=${value} (${how})`)
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

describe('properties of the API’s lexicon', () => {
  const offer = offerOf([
    { name: 'OSFamily', value: 'linux' },
    { name: 'ISA', value: 'x86-64' },
    { name: 'pool', value: 'Fast' },
  ])
  const takes = (name: string, value: string) => matches(platformOf([{ name, value }]), offer)

  test('are compared without case, all others exactly', () => {
    expect(['linux', 'Linux', 'LINUX', 'Windows'].map((value) => takes('OSFamily', value))).toEqual([
      true,
      true,
      true,
      false,
    ])
    expect(takes('ISA', 'X86-64')).toBe(true)
    expect([takes('pool', 'Fast'), takes('pool', 'fast'), takes('osfamily', 'linux')]).toEqual([true, false, false])
  })

  test('make one platform however they are written, which people see as they were written', () => {
    const [a, b] = [
      platformOf([{ name: 'OSFamily', value: 'Linux' }]),
      platformOf([{ name: 'OSFamily', value: 'linux' }]),
    ]
    expect(a.key).toBe(b.key)
    expect(a.properties).toEqual([{ name: 'OSFamily', value: 'Linux' }])
  })
})
