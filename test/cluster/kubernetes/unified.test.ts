import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { unifiedDiff } from '../../../src/cluster/kubernetes/unified.ts'
import { testFolder } from '../../fixture/folder.ts'

const names = { before: 'a', after: 'b' }
const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')
const letters = 'abcdefghijklmnopqrst'.split('')

test('the same text has no diff', () => {
  expect(unifiedDiff('a\nb\n', 'a\nb\n', names)).toBe('')
})

test('a change stands in three lines of context, and changes apart in hunks of their own', () => {
  const changed = letters.map((each) => (each === 'c' || each === 's' ? `${each}!` : each))
  expect(unifiedDiff(text(letters), text(changed), names).split('\n')).toEqual([
    '--- a',
    '+++ b',
    '@@ -1,6 +1,6 @@',
    ...[' a', ' b', '-c', '+c!', ' d', ' e', ' f'],
    '@@ -16,5 +16,5 @@',
    ...[' p', ' q', ' r', '-s', '+s!', ' t'],
    '',
  ])
})

test('all of a new text is added', () => {
  expect(unifiedDiff('', 'a\nb\n', names)).toBe('--- a\n+++ b\n@@ -0,0 +1,2 @@\n+a\n+b\n')
})

test('git makes the second text of the first one', async () => {
  const folder = await testFolder()
  const lines = fc.array(fc.constantFrom('a', 'b', 'c', '', '  d: -x'), { maxLength: 30 })
  const property = fc.asyncProperty(lines, lines, async (before, after) => {
    fc.pre(before.length > 0 && after.length > 0 && text(before) !== text(after))
    const patch = unifiedDiff(text(before), text(after), { before: 'a/file', after: 'b/file' })
    await writeFile(join(folder, 'file'), text(before))
    await execa('git', ['apply', '-'], { cwd: folder, input: patch })
    const { stdout } = await execa('cat', ['file'], { cwd: folder, stripFinalNewline: false })
    expect(stdout).toBe(text(after))
  })
  await fc.assert(property, { numRuns: 40 })
})
