import { expect, onTestFinished, test } from 'vitest'
import { createNames } from '../../src/asset/names.ts'
import { digestOf } from '../../src/core/hash.ts'
import { createMemoryResults } from '../../src/store/memory/results.ts'
import { blobOf } from '../cache/fixture.ts'
import { diskFolder } from '../fixture/disk.ts'
import { quietLog } from '../fixture/quiet-log.ts'

const one = { digest: blobOf('one').digest, sinceMs: 5, untilMs: 7, blobs: [blobOf('two').digest], directories: [] }

test('names are told apart by each of their parts and by the function', async () => {
  const names = createNames(createMemoryResults(1_000_000), quietLog)
  await names.put(['a', 'bc'], 'sha256', one)
  expect(await names.get(['a', 'bc'], 'sha256')).toEqual(one)
  for (const name of [['ab', 'c'], ['a', 'b', 'c'], ['a'], ['abc'], ['a","bc']])
    expect(await names.get(name, 'sha256')).toBeUndefined()
  expect(await names.get(['a', 'bc'], 'sha512')).toBeUndefined()
  await names.delete(['a', 'bc'], 'sha256')
  expect(await names.get(['a', 'bc'], 'sha256')).toBeUndefined()
})

test('an entry that cannot be read is none, and goes', async () => {
  const results = createMemoryResults(1_000_000)
  const names = createNames(results, quietLog)
  const entry = { ...digestOf('sha256', Buffer.from(JSON.stringify(['asset', 'sha256', 'a']))), size: 2 ** 51 }
  for (const value of ['', 'no JSON', '{}', JSON.stringify({ ...one, digest: 'x/1', blobs: [] })]) {
    await results.put(entry, Buffer.from(value))
    expect(await names.get(['a'], 'sha256')).toBeUndefined()
    expect(await results.get(entry)).toBeUndefined()
  }
})

test('names outlive the server, on its disk', async () => {
  const folder = diskFolder(50_000_000)
  onTestFinished(() => folder.remove())
  const before = await folder.open()
  await createNames(before.results, quietLog).put(['a'], 'sha256', one)
  await before.close()
  const after = await folder.open()
  expect(await createNames(after.results, quietLog).get(['a'], 'sha256')).toEqual(one)
  await after.close()
})
