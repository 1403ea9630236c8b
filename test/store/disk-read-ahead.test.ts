import fs from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../src/core/hash.ts'
import type { DiskStore } from '../../src/store/disk/disk.ts'
import { verified } from '../../src/store/verified.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'

let folder: DiskFolder
let store: DiskStore

beforeEach(async () => {
  folder = diskFolder(256 * 1024 * 1024)
  store = await folder.open()
})
afterEach(async () => {
  await store.close()
  folder.remove()
})

let made = 0

/** A blob like no other. */
function nextBlob(length: number) {
  made += 1
  return blob(made, length)
}

function blob(seed: number, length: number) {
  const bytes = Buffer.alloc(length, `${seed} of ${length};`)
  return { bytes, digest: digestOf('sha256', bytes) }
}

test('blobs that are asked for together are right, in any order, while others are written and dropped', async () => {
  const blobs = verified(store.blobs)
  const length = fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 20_000, max: 40_000 }))
  const step = fc.record({ at: fc.nat(199), act: fc.constantFrom('get', 'run', 'put', 'delete', 'wait') })
  await fc.assert(
    fc.asyncProperty(
      fc.array(length, { minLength: 20, maxLength: 60 }),
      fc.array(step, { maxLength: 60 }),
      async (lengths, steps) => {
        const stored = lengths.map(nextBlob)
        await Promise.all(stored.map(({ digest, bytes }) => blobs.put(digest, bytes)))
        const dropped = new Set<number>()
        const doing: Promise<unknown>[] = []
        const get = (at: number) => {
          const each = stored[at % stored.length]
          if (!each) return
          const mayBeGone = dropped.has(at % stored.length)
          const check = async () => {
            const bytes = await blobs.get(each.digest)
            if (!bytes && (mayBeGone || dropped.has(at % stored.length))) return
            expect(bytes && each.bytes.equals(bytes)).toBe(true)
          }
          doing.push(check())
        }
        for (const { at, act } of steps) {
          if (act === 'get') get(at)
          else if (act === 'run') for (let next = at; next < at + 12; next += 1) get(next)
          else if (act === 'wait') await new Promise(setImmediate)
          else if (act === 'put') {
            const fresh = nextBlob(500 + at)
            stored.push(fresh)
            await blobs.put(fresh.digest, fresh.bytes)
          } else {
            dropped.add(at % stored.length)
            const each = stored[at % stored.length]
            if (each) doing.push(blobs.delete(each.digest))
          }
        }
        await Promise.all(doing)
      },
    ),
    { numRuns: 40 },
  )
})

test('of blobs that are asked for together, a damaged one is absent and no other', async () => {
  const made = Array.from({ length: 50 }, (_, at) => blob(at, 1000))
  await Promise.all(made.map(({ digest, bytes }) => store.blobs.put(digest, bytes)))
  const [segment] = folder.files().filter((path) => path.includes('blobs') && path.endsWith('.segment'))
  const content = fs.readFileSync(segment ?? '')
  const at = content.indexOf('20 of 1000;')
  expect(at).toBeGreaterThan(0)
  const fd = fs.openSync(segment ?? join(folder.path, 'none'), 'r+')
  fs.writeSync(fd, 'X', at)
  fs.closeSync(fd)
  const got = await Promise.all(made.map(({ digest }) => store.blobs.get(digest)))
  expect(got.map((bytes, index) => (bytes ? made[index]?.bytes.equals(bytes) : 'absent'))).toEqual(
    made.map((_, index) => (index === 20 ? 'absent' : true)),
  )
})
