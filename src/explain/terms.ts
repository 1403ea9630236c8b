import type { ActionRecord } from '../core/build-history.ts'
import { type Digest, sameDigest } from '../core/digest.ts'
import { computableFunctions, digestOf } from '../core/hash.ts'
import { re } from '../wire/proto.ts'

/**
 * What Actions say besides their Command and input tree: timeout, platform and the like. A build's actions share only a
 * few such combinations, so an Action need not be read if one of these gives its digest: then that is what it says.
 */
export interface Terms {
  /** Records what an Action that was read says. */
  note(action: re.Action): void
  /** Are two equal except for their input trees? False also if that is unknown. */
  same(one: ActionRecord, other: ActionRecord): boolean
}

/** The most recent ones; each further one is tried on every action that matches none. */
const keptMax = 8

export function createTerms(): Terms {
  /** The most recent first. */
  let kept: { readonly key: string; readonly terms: re.Action.$Properties }[] = []

  function meet(met: (typeof kept)[number]): void {
    if (kept[0]?.key !== met.key) kept = [met, ...kept.filter(({ key }) => key !== met.key)].slice(0, keptMax)
  }

  return {
    note(action) {
      const terms = { ...action, commandDigest: null, inputRootDigest: null }
      meet({ key: Buffer.from(re.Action.encode(terms).finish()).toString('latin1'), terms })
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

function hasTerms({ digest, command, inputRoot }: ActionRecord, terms: re.Action.$Properties): boolean {
  if (!command || !inputRoot) return false
  const bytes = re.Action.encode({ ...terms, commandDigest: wire(command), inputRootDigest: wire(inputRoot) }).finish()
  return bytes.length === digest.size && digestOf(digest.fn, bytes).hash === digest.hash
}

function wire({ hash, size }: Digest): re.Digest.$Properties {
  return { hash, sizeBytes: size }
}
