import { expect, test } from 'vitest'
import { textMarkup } from '../../src/page/printed.ts'

const shown = (text: string) => textMarkup(Buffer.from(text)).markup

test('of a long text the last lines are shown, and no secret whose name is left out', () => {
  const text = `API_TOKEN=${'x'.repeat(2 ** 20)}hunter2\nthe end`
  expect(shown(text)).toContain('<pre>the end</pre>')
  expect(shown(text)).toContain('Its first 1,048,594 bytes are left out.')
})

test('of a line that is too long for the page nothing is shown, and it is said', () => {
  const markup = shown(`PASSWORD=${'x'.repeat(2 ** 20)}hunter2`)
  expect(markup).toContain('Its last line is too long to be shown.')
  expect(markup).not.toContain('hunter2')
})
