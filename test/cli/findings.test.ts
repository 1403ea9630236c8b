import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { findingsText } from '../../src/cli/findings.ts'

const findings = [
  { title: 'operating system', state: 'ok', found: 'linux x64' },
  {
    title: 'port 50051',
    state: 'note',
    found: 'taken',
    cure: '"native up" picks a free port instead, and "native ips" prints it.',
  },
] as const

const shown = (columns: number | undefined) => {
  const stream = Object.assign(new PassThrough(), { isTTY: columns !== undefined, columns })
  return stripVTControlCharacters(findingsText(findings, stream as unknown as NodeJS.WriteStream)).split('\n')
}

test('a cure stands beneath what was found, in one line where nobody breaks lines', () => {
  expect(shown(undefined)).toEqual([
    'ok      operating system  linux x64',
    'note    port 50051        taken',
    `${' '.repeat(26)}→ "native up" picks a free port instead, and "native ips" prints it.`,
  ])
})

test('on a terminal it is broken at blanks', () => {
  const lines = shown(80)
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
  expect(lines.slice(2)).toEqual([
    `${' '.repeat(26)}→ "native up" picks a free port instead, and "native`,
    `${' '.repeat(28)}ips" prints it.`,
  ])
})

test('on a narrow one it starts near the margin', () => {
  expect(shown(40).slice(2)).toEqual(['  → "native up" picks a free port', '    instead, and "native ips" prints it.'])
})

test('what was found is broken as well: beneath itself, or beneath its title', () => {
  const long = {
    title: 'docker',
    state: 'ok',
    found: 'a daemon that answers, and says many things about itself today',
  } as const
  const text = (columns: number) => {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns })
    return stripVTControlCharacters(findingsText([long], stream as unknown as NodeJS.WriteStream)).split('\n')
  }
  expect(text(72)).toEqual([
    'ok      docker  a daemon that answers, and says many things about itself',
    `${' '.repeat(16)}today`,
  ])
  expect(text(40)).toEqual(['ok      docker', '  a daemon that answers, and says many', '  things about itself today'])
})
