import { expect, it } from 'vitest'
import { printable, shortened } from '../../src/core/printable.ts'

it('text of strangers cannot move the cursor, begin a line, turn one around or hide in it', () => {
  expect(printable('\u001b[2K\r\n\u0085\u202e\u2066\u200b\ufeff\u2028\u00a0\ud800 é 漢 🙂')).toBe(
    '?[2K?????????? é 漢 🙂',
  )
})

it('a long text is cut, and never in the middle of what would be a character', () => {
  expect(printable('abc🙂', 4)).toBe('abc?')
  expect(printable('x'.repeat(1000))).toHaveLength(300)
})

it('what is cut off a text is shown by an ellipsis', () => {
  expect(shortened('build //app:lib', 15)).toBe('build //app:lib')
  expect(shortened('build //app:libs', 15)).toBe('build //app:li…')
})
