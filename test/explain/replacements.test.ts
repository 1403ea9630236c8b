import { expect, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { createReplacements } from '../../src/explain/replacements.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'

const fileOf = (name: string, content: string): re.FileNode.$Properties => {
  const { hash, size } = blobOf(content).digest
  return { name, digest: { hash, sizeBytes: size } }
}

function folder(files: Readonly<Record<string, string>>): { readonly bytes: Uint8Array; readonly digest: Digest } {
  const nodes = Object.entries(files).map(([name, content]) => fileOf(name, content))
  return blobOf(re.Directory.encode({ files: nodes, symlinks: [{ name: 'z', target: 'y' }] }).finish())
}

/** One that has met `b.h` with `1` become `2`. */
function met() {
  const replacements = createReplacements<string>()
  const [one, other] = [folder({ 'a.h': 'a', 'b.h': '1' }), folder({ 'a.h': 'a', 'b.h': '2' })]
  replacements.note(one.bytes, other.bytes, 'b.h changed')
  return replacements
}

test('what one entry has become is told of every directory whose digest proves it', () => {
  const replacements = met()
  for (const more of [{}, { 'a.h': 'else' }, { 'a.h': 'x', 'c.h': 'y' }])
    expect(replacements.between(folder({ ...more, 'b.h': '1' }).bytes, folder({ ...more, 'b.h': '2' }).digest)).toBe(
      'b.h changed',
    )
})

test.each([
  ['another name', { 'c.h': '1' }, { 'c.h': '2' }],
  ['another content', { 'b.h': '1' }, { 'b.h': '3' }],
  ['something besides', { 'a.h': 'a', 'b.h': '1' }, { 'a.h': 'b', 'b.h': '2' }],
  ['an entry more', { 'b.h': '1' }, { 'b.h': '2', 'c.h': 'c' }],
])('nothing is made up of %s', (_, one, other) => {
  expect(met().between(folder(one).bytes, folder(other).digest)).toBeUndefined()
})

test('two entries that changed are no replacement, and neither is what is no directory', () => {
  const replacements = createReplacements<string>()
  const both = [folder({ 'a.h': 'a', 'b.h': '1' }), folder({ 'a.h': 'b', 'b.h': '2' })] as const
  replacements.note(both[0].bytes, both[1].bytes, 'both')
  for (const bytes of [Buffer.alloc(3, 255), Buffer.from([0x0a, 200]), Buffer.from([0x0a, 5, 1]), Buffer.from([8, 1])])
    replacements.note(bytes, folder({ a: '1' }).bytes, 'no directory')
  expect(replacements.isEmpty).toBe(true)
})
