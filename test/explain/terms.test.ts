import { expect, test } from 'vitest'
import type { ActionRecord } from '../../src/core/build-history.ts'
import { createTerms } from '../../src/explain/terms.ts'
import { re } from '../../src/wire/proto.ts'
import { actionRecord } from '../fixture/action-record.ts'
import { blobOf } from '../fixture/blob.ts'

const command = blobOf('a command').digest
const wire = ({ hash, size }: { readonly hash: string; readonly size: number }) => ({ hash, sizeBytes: size })
const linux = { platform: { properties: [{ name: 'OSFamily', value: 'linux' }] }, timeout: { seconds: 60 } }

function acted(tree: string, terms: re.Action.$Properties = linux, commandDigest = command) {
  const inputRoot = blobOf(tree).digest
  const message = { ...terms, commandDigest: wire(commandDigest), inputRootDigest: wire(inputRoot) }
  const { bytes, digest } = blobOf(re.Action.encode(message).finish())
  const record: ActionRecord = actionRecord({ digest, command: commandDigest, inputRoot })
  return { action: re.Action.decode(bytes), record }
}

test('actions that differ in their input trees alone are known without being read', () => {
  const terms = createTerms()
  terms.note(acted('first').action)
  expect(terms.same(acted('one').record, acted('other').record)).toBe(true)
})

test.each([
  ['another time-out', acted('other', { ...linux, timeout: { seconds: 61 } })],
  ['a salt', acted('other', { ...linux, salt: Buffer.from('x') })],
  ['no platform', acted('other', {})],
  ['another command', acted('other', linux, blobOf('another').digest)],
])('%s is not the same', (_, other) => {
  const terms = createTerms()
  for (const { action } of [acted('first'), other]) terms.note(action)
  expect(terms.same(acted('one').record, other.record)).toBe(false)
  expect(terms.same(other.record, acted('one').record)).toBe(false)
})

test('nothing is known of an action before one of its kind was read, nor of one that was never uploaded', () => {
  const { action, record } = acted('one')
  expect(createTerms().same(record, acted('other').record)).toBe(false)
  const terms = createTerms()
  terms.note(action)
  const { command, inputRoot, ...bare } = record
  expect(terms.same(record, bare)).toBe(false)
})
