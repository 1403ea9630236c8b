import { expect, test } from 'vitest'
import { terminalLines } from '../../src/page/terminal.ts'

const esc = '\u001b'

/** What is seen, without its colours. */
function terminalText(printed: string): string {
  return terminalLines(printed)
    .map(({ text }) => text)
    .join('\n')
}

test.each([
  ['text as it is', 'one\ntwo\n', 'one\ntwo\n'],
  ['colours are left out', `${esc}[32mINFO: ${esc}[0mdone`, 'INFO: done'],
  ['a line that is written over', 'long line\rshort', 'shortline'],
  ['a line of progress that Bazel takes back', `Loading: 1\n\r${esc}[1A${esc}[KLoading: 2\nend`, 'Loading: 2\nend'],
  ['two of them', `a\nb\n${esc}[2A${esc}[Jc`, 'c'],
  ['a title and other commands', `${esc}]0;title\u0007text${esc}[?25l${esc}(B.`, 'textB.'],
  ['an escape without an end', `text${esc}[`, 'text'],
  ['what turns a line around', 'a\u202eb\u0000c\td', 'abc\td'],
  ['Windows line ends', 'one\r\ntwo', 'one\ntwo'],
])('%s', (_, printed, shown) => {
  expect(terminalText(printed)).toBe(shown)
})

test('what is made to be costly is not', () => {
  // It takes longer than a test may where it is quadratic.
  const wide = `${'\n'.repeat(300_000)}${'x'.repeat(1_000)}${`${esc}[Ay`.repeat(150_000)}`
  const long = `${'x'.repeat(500_000)}\r${`y${esc}[m`.repeat(120_000)}`
  expect(terminalText(wide).length).toBeLessThan(2_200_000)
  expect(terminalText(long).length).toBeLessThan(1_000_000)
  expect(terminalText(esc.repeat(1_000_000))).toBe('')
})

test('of more than is shown the end is, and it says so', () => {
  const lines = Array.from({ length: 3_000 }, (_, number) => `line ${number} ${'x'.repeat(1_000)}`)
  const shown = terminalText(lines.join('\n')).split('\n')
  expect(shown[0]).toBe('(Earlier lines are left out.)')
  expect(shown.slice(1)).toEqual(lines.slice(1 - shown.length))
  expect(shown.join('\n').length).toBeGreaterThan(2_000_000)
  expect(shown.join('\n').length).toBeLessThan(2_200_000)
})

test('what was taken back leaves room', () => {
  const progress = Array.from({ length: 1_000 }, (_, number) => `${esc}[1A${esc}[J${number} ${'x'.repeat(5_000)}\n`)
  const shown = terminalText(`first\n\n${progress.join('')}last`)
  expect(shown).toBe(`first\n999 ${'x'.repeat(5_000)}\nlast`)
})
