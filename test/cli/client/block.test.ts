import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Marks, withBlock, withoutBlock } from '../../../src/cli/client/block.ts'

const marks = (name: string): Marks => ({ opening: `# >>> ${name} >>>`, closing: `# <<< ${name} <<<`, of: name })
const block = (name: string, line = 'x') => `${marks(name).opening}\n${line}\n${marks(name).closing}\n`
const text = fc.string({ unit: fc.constantFrom('a', '#', '\n', ' ', '>', '\r') })

test('twice is the same as once, and nothing else of the file changes', () => {
  fc.assert(
    fc.property(text, text, (before, after) => {
      const once = withBlock(before, marks('one'), block('one'))
      const grown = once + after
      expect(withBlock(grown, marks('one'), block('one'))).toBe(grown)
      expect(withoutBlock(grown, marks('one'))).toBe(
        (before === '' || before.endsWith('\n') ? before : `${before}\n`) + after,
      )
    }),
  )
})

test('a newer block takes the place of the older one', () => {
  const older = `a\n${block('one', 'old')}b\n`
  expect(withBlock(older, marks('one'), block('one', 'new'))).toBe(`a\n${block('one', 'new')}b\n`)
})

test('blocks with other marks are left alone', () => {
  const both = withBlock(withBlock('', marks('one'), block('one')), marks('two'), block('two'))
  expect(withoutBlock(both, marks('one'))).toBe(block('two'))
  expect(withoutBlock(both, marks('two'))).toBe(block('one'))
})

test('a block that has lost its end is not guessed at', () => {
  expect(() => withBlock(`x\n${marks('one').opening}\ny\n`, marks('one'), block('one'))).toThrow(
    expect.objectContaining({ kind: 'invalid', where: 'line 2' }),
  )
})
