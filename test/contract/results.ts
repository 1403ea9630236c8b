import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Results } from '../../src/store/results.ts'
import { blobOf } from '../fixture/blob.ts'

/** An implementation under test. */
export interface ResultsUnderTest {
  /** A fresh, empty store that may take this many bytes. */
  open(capacity: number): Promise<Results>
  clean?(): Promise<void>
}

const action = blobOf('an action').digest
const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString()

/** What every store of action results owes its callers (src/store/results.ts). */
export function describeResults(name: string, subject: ResultsUnderTest): void {
  describe(`${name} keeps the Results contract`, () => {
    let results: Results
    beforeEach(async () => {
      results = await subject.open(1_000_000)
    })
    afterEach(async () => {
      await results.close()
      await subject.clean?.()
    })

    test('gives back the newest value', async () => {
      expect(await results.get(action)).toBeUndefined()
      await results.put(action, Buffer.from('first'))
      await results.put(action, Buffer.from('the second'))
      expect(text(await results.get(action))).toBe('the second')
      await results.delete(action)
      await results.delete(action)
      expect(await results.get(action)).toBeUndefined()
      await results.put(action, Buffer.from('third'))
      expect(text(await results.get(action))).toBe('third')
    })
    test('finds a result by the hash of its action alone, until it is deleted', async () => {
      expect(await results.locate('sha256', action.hash)).toBeUndefined()
      await results.put(action, Buffer.from('value'))
      expect(await results.locate('sha256', action.hash)).toEqual(action)
      expect(await results.locate('sha256', blobOf('another').digest.hash)).toBeUndefined()
      await results.delete(action)
      expect(await results.locate('sha256', action.hash)).toBeUndefined()
    })
    test('rule 21: a value may have no bytes at all and is still there', async () => {
      await results.put(action, new Uint8Array(0))
      expect(await results.get(action)).toHaveLength(0)
    })
    test('the last of many puts at once wins', async () => {
      await Promise.all(Array.from({ length: 50 }, (_, at) => results.put(action, Buffer.from(`value ${at}`))))
      expect(text(await results.get(action))).toBe('value 49')
    })
    test('tells actions of one hash and different sizes or functions apart', async () => {
      const other = { ...action, size: action.size + 1 }
      await results.put(action, Buffer.from('one'))
      expect(await results.get(other)).toBeUndefined()
      await results.put(other, Buffer.from('two'))
      expect([text(await results.get(action)), text(await results.get(other))]).toEqual(['one', 'two'])
    })
    test('keeps a copy of what it is given', async () => {
      const given = Buffer.from('mine')
      await results.put(action, given)
      given.fill(0)
      expect(text(await results.get(action))).toBe('mine')
    })
    test('forgets what was not used for longest, and never what is replaced or read all the time', async () => {
      await results.put(blobOf('idle').digest, Buffer.from('idle'))
      await results.put(action, Buffer.from('kept'))
      for (let at = 0; at < 1000; at += 1) {
        await results.put(blobOf(`action ${at}`).digest, Buffer.alloc(5000, at))
        expect(text(await results.get(action))).toBe('kept')
      }
      expect(await results.get(blobOf('idle').digest)).toBeUndefined()
      expect(await results.get(blobOf('action 999').digest)).toHaveLength(5000)
    })
    test('refuses a value that can never fit', async () => {
      await expect(results.put(action, Buffer.alloc(1_000_001))).rejects.toMatchObject({ kind: 'exhausted' })
    })
  })
}
