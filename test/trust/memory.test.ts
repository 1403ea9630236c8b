import { join } from 'node:path'
import { execa } from 'execa'
import { expect, it } from 'vitest'
import { type HeavyName, heavyShapes } from './fixture/heavy.ts'

// GHSA-vfp6-jrw2-99g9, GHSA-88jx-383q-w4qc, GHSA-95pr-fxf5-86gv: whoever may push can attach bytes that unfold to many
// times their size. Each attestation here is as large as one that is read, and is judged by a process with a heap of 320 MiB.

const child = join(import.meta.dirname, '../fixture/heavy-child.ts')
const signed: readonly HeavyName[] = ['as many values as are read', 'a bill of materials']
/** Their envelopes can be read; it is the signature over the statement that does not fit. */
const forged: readonly HeavyName[] = [
  'subjects of a statement',
  'hashes of a subject',
  'notes on a subject',
  'a predicate',
]
const hostile = (Object.keys(heavyShapes) as HeavyName[]).filter((each) => !signed.includes(each))

async function judged(name: HeavyName): Promise<string> {
  const { stdout, stderr, exitCode } = await execa(process.execPath, ['--max-old-space-size=320', child, name], {
    reject: false,
  })
  return exitCode === 0 ? stdout : stderr
}

it.each(hostile)('%s, as many as fit into an attestation, end in a verdict', async (name) => {
  expect(await judged(name)).toBe(forged.includes(name) ? 'tampered' : 'unsigned')
})

it.each(signed)('%s, in an attestation that is as large as one may be, verifies', async (name) => {
  expect(await judged(name)).toBe('verified')
})
