import { expect, test } from 'vitest'
import type { ActionRecord } from '../../src/core/build-history.ts'
import { digestText } from '../../src/core/digest.ts'
import { makersOf } from '../../src/explain/makers.ts'
import { re } from '../../src/wire/proto.ts'
import { actionRecord } from '../fixture/action-record.ts'
import { blobOf } from '../fixture/blob.ts'

const maker: ActionRecord = actionRecord({ row: 1 })

test.each([
  ['has no digest', {}],
  ['has a digest that is none', { digest: { hash: 'x', sizeBytes: 1 } }],
])('of an input tree whose folder %s, the rest is looked at', async (_, folder) => {
  const bytes = re.Directory.encode({
    files: [{ name: 'made', digest: { hash: 'a'.repeat(64), sizeBytes: 1 } }],
    directories: [{ name: 'out', ...folder }],
  }).finish()
  const root = blobOf(bytes)
  const outputs = { maker: (path: string) => (path === 'made' ? maker : undefined), hasBelow: () => true }
  const load = async () => new Map([[digestText(root.digest), bytes]])
  const found = await makersOf(actionRecord({ row: 2, inputRoot: root.digest }), outputs, load, { directories: 10 })
  expect(found).toEqual({ found: new Map([[maker, 'made']]), isComplete: false })
})
