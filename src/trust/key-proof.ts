import type { Evidence } from './evidence.ts'
import { fingerprintOf } from './keys.ts'
import type { KeyRule } from './policy.ts'
import type { Proof, ProvingOptions } from './proving.ts'
import { Rejection } from './rejection.ts'
import { isMadeBy } from './signature.ts'

/**
 * Verifies a signature with one key, and all that came with it. Code for proofs of logs and timestamp authorities is
 * only loaded if there are any: a signature by key alone has none.
 * @throws Rejection; 'other-signer' when the key did not make it
 */
export async function proveByKey(evidence: Evidence, rule: KeyRule, options: ProvingOptions): Promise<Proof> {
  if (!(await isMadeBy(rule.key, evidence))) throw new Rejection('other-signer', `the key ${rule.name} did not make it`)
  const times = await provenTimes(evidence, rule, options)
  assertKeyServed(rule, times.length > 0 ? times : [options.now])
  return { signer: { kind: 'key', fingerprint: fingerprintOf(rule.key) }, times }
}

async function provenTimes(evidence: Evidence, rule: KeyRule, options: ProvingOptions): Promise<readonly number[]> {
  const { logRequired, timestampRequired } = options.requirement
  const hasProofs = evidence.logEntries.length > 0 || evidence.timestamps.length > 0
  if (!hasProofs && !logRequired && !timestampRequired) return []
  const { proveTimes } = await import('./proof.ts')
  return proveTimes(evidence, rule, { ...options, root: await options.openRoot() })
}

/** Checks that the key was in service at these times; without a trusted time, now. */
function assertKeyServed(rule: KeyRule, times: readonly number[]): void {
  const from = rule.validFrom ?? Number.NEGATIVE_INFINITY
  const until = rule.validUntil ?? Number.POSITIVE_INFINITY
  if (times.every((each) => from <= each && each <= until)) return
  throw new Rejection('expired', `the key ${rule.name} was not in use when it was made`)
}
