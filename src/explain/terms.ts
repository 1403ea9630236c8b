import type { EarlierAction } from '../core/build-history.ts'
import { sameDigest } from '../core/digest.ts'
import { computableFunctions, digestOf } from '../core/hash.ts'
import { digestLength, fieldLength, putDigest } from '../wire/emit.ts'
import { re } from '../wire/proto.ts'

/**
 * What Actions say besides their Command and input tree: timeout, platform and the like. A build's actions share only a
 * few such combinations, so an Action need not be read if one of these gives its digest: then that is what it says.
 */
export interface Terms {
  /** Records what an Action that was read says. */
  note(action: re.Action): void
  /** Are two equal except for their input trees? False also if that is unknown. */
  same(one: EarlierAction, other: EarlierAction): boolean
}

/** The most recent ones; each further one is tried on every action that matches none. */
const keptMax = 8
/** Of an Action's fields: their number, and that they are messages. */
const commandTag = 0x0a
const inputRootTag = 0x12

export function createTerms(): Terms {
  /** The most recent first. */
  let kept: { readonly key: string; readonly terms: Uint8Array }[] = []

  function meet(met: (typeof kept)[number]): void {
    if (kept[0]?.key !== met.key) kept = [met, ...kept.filter(({ key }) => key !== met.key)].slice(0, keptMax)
  }

  return {
    note(action) {
      const terms = re.Action.encode({ ...action, commandDigest: null, inputRootDigest: null }).finish()
      meet({ key: Buffer.from(terms).toString('latin1'), terms })
    },
    same(one, other) {
      if (!one.command || !other.command || !sameDigest(one.command, other.command)) return false
      if (!computableFunctions.includes(one.digest.fn)) return false
      const met = kept.find(({ terms }) => hasTerms(one, terms))
      if (!met) return false
      meet(met)
      return hasTerms(other, met.terms)
    },
  }
}

/** @param terms the fields after the first two, which are its digests */
function hasTerms({ digest, command, inputRoot }: EarlierAction, terms: Uint8Array): boolean {
  if (!command || !inputRoot) return false
  const length = fieldLength(digestLength(command)) + fieldLength(digestLength(inputRoot)) + terms.length
  if (length !== digest.size) return false
  const bytes = Buffer.allocUnsafe(length)
  const end = putDigest(bytes, putDigest(bytes, 0, commandTag, command), inputRootTag, inputRoot)
  bytes.set(terms, end)
  return digestOf(digest.fn, bytes).hash === digest.hash
}
