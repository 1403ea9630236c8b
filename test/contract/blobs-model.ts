import fc from 'fast-check'
import { expect } from 'vitest'
import { digestKey } from '../../src/core/digest.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import { type Blob, readWhole, seededBlob } from '../fixture/blob.ts'

/** One step of a random run, over a handful of blobs so that steps meet. */
type Operation =
  | { readonly kind: 'put'; readonly at: number }
  | { readonly kind: 'write' | 'abort' | 'get'; readonly at: number }
  | { readonly kind: 'delete'; readonly at: number }
  | { readonly kind: 'read'; readonly at: number; readonly offset: number; readonly limit: number }
  | { readonly kind: 'find'; readonly all: readonly number[] }
  | { readonly kind: 'burst'; readonly all: readonly number[] }
  | { readonly kind: 'batch'; readonly all: readonly number[] }

const sizes = [1, 10, 100, 1000, 4000, 20_000, 60_000, 130_000]
const pool: readonly Blob[] = Array.from({ length: 40 }, (_, at) => seededBlob(at, sizes[at % sizes.length] ?? 1))
/** Under this much written in a run nothing may be forgotten: half of the store. */
const capacity = 1_000_000

const at = fc.nat(pool.length - 1)
const all = fc.array(at, { maxLength: 12 })
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put' as const), at }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom('write' as const, 'abort' as const, 'get' as const), at }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), at }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('read' as const), at, offset: fc.nat(70_000), limit: fc.nat(70_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('find' as const, 'burst' as const, 'batch' as const), all }),
  },
)

function blobAt(index: number): Blob {
  const blob = pool[index]
  if (!blob) throw new Error(`no blob ${index} in the pool`)
  return blob
}

async function check(blobs: Blobs, operations: readonly Operation[]): Promise<void> {
  const model = new Map<string, Blob>()
  let bytesWritten = 0

  async function store({ digest, bytes }: Blob, how: 'put' | 'write'): Promise<void> {
    bytesWritten += digest.size
    if (how === 'put') return blobs.put(digest, bytes)
    const writer = await blobs.write(digest)
    await writer.write(bytes.subarray(0, digest.size >> 1))
    await writer.write(bytes.subarray(digest.size >> 1))
    await writer.commit()
  }

  /** What is read is right; what is absent was never stored, deleted, or may have been evicted. */
  function judge({ digest, bytes }: Blob, actual: Uint8Array | undefined): void {
    if (actual) expect(Buffer.compare(actual, bytes)).toBe(0)
    if (actual) expect(model.has(digestKey(digest))).toBe(true)
    else if (bytesWritten <= capacity / 2) expect(model.has(digestKey(digest))).toBe(false)
  }

  for (const step of operations) {
    if (step.kind === 'find' || step.kind === 'burst' || step.kind === 'batch') {
      const blobsNamed = step.all.map(blobAt)
      if (step.kind === 'burst') await Promise.all(blobsNamed.map((blob) => store(blob, 'put')))
      if (step.kind === 'batch') {
        bytesWritten += blobsNamed.reduce((sum, { digest }) => sum + digest.size, 0)
        for (const outcome of await blobs.putAll(blobsNamed)) expect(outcome.status).toBe('fulfilled')
      }
      if (step.kind !== 'find') for (const blob of blobsNamed) model.set(digestKey(blob.digest), blob)
      const missing = new Set((await blobs.findMissing(blobsNamed.map(({ digest }) => digest))).map(digestKey))
      for (const blob of blobsNamed) judge(blob, missing.has(digestKey(blob.digest)) ? undefined : blob.bytes)
      continue
    }
    const blob = blobAt(step.at)
    const key = digestKey(blob.digest)
    if (step.kind === 'put' || step.kind === 'write') {
      await store(blob, step.kind)
      model.set(key, blob)
      judge(blob, await blobs.get(blob.digest))
    } else if (step.kind === 'abort') {
      const writer = await blobs.write(blob.digest)
      await writer.write(blob.bytes.subarray(1))
      await writer.abort()
    } else if (step.kind === 'delete') {
      await blobs.delete(blob.digest)
      model.delete(key)
      expect(await blobs.get(blob.digest)).toBeUndefined()
    } else if (step.kind === 'get') judge(blob, await blobs.get(blob.digest))
    else if (step.kind === 'read') {
      const offset = Math.min(step.offset, blob.digest.size)
      const actual = await readWhole(await blobs.read(blob.digest, { offset, limit: step.limit + 1 }))
      const { digest, bytes } = blob
      const expected = bytes.subarray(offset, offset + step.limit + 1)
      if (actual) expect(Buffer.compare(actual, expected)).toBe(0)
      judge({ digest, bytes }, actual && bytes)
    }
  }
}

/** Random runs of operations held against a plain Map, which never forgets. */
export const blobsModel = { capacity, runs: fc.array(operation, { minLength: 30, maxLength: 150 }), check }
