import { Failure } from '../core/failure.ts'
import { printable } from '../core/printable.ts'
import { TooManyAttached } from './attached.ts'
import { rejectionsMax } from './limits.ts'
import { type Requirement, ruleText, signersCounted } from './policy.ts'
import type { Rejection, RejectionReason } from './rejection.ts'
import { signerText } from './signer.ts'
import type { ManifestDigest } from './source.ts'
import type { GoodSignature, RejectedSignature, Verdict } from './verdict.ts'

/** The result for one signature. */
export type Finding = { readonly good: GoodSignature } | { readonly where: string; readonly rejection: Rejection }

/** Have as many different signers signed as are required? */
export function isSatisfied({ signers, threshold }: Requirement, findings: readonly Finding[]): boolean {
  const found = goodOf(findings).map((each) => each.signer)
  return found.length > 0 && signersCounted(signers, found) >= Math.max(threshold, 1)
}

/**
 * The verdict after every signature has been judged. If several things are wrong, the answer is the one closest to
 * "verified": whoever may push to the repository can add rubbish, and must not be able to hide other signatures that
 * way.
 */
export function conclude(
  image: string,
  digest: ManifestDigest,
  requirement: Requirement,
  findings: readonly Finding[],
): Verdict {
  const looked = { image, digest, rejected: rejectedOf(findings) }
  const signatures = goodOf(findings)
  if (isSatisfied(requirement, findings)) return { ...looked, answer: 'verified', signatures }
  const first = (...reasons: RejectionReason[]) => looked.rejected.find((each) => reasons.includes(each.reason))
  if (signatures.length > 0 || first('other-signer', 'other-annotations'))
    return { ...looked, answer: 'wrong-identity', wanted: requiredKindOf(requirement), found: foundOf(findings) }
  const expired = first('expired')
  if (expired) return { ...looked, answer: 'expired', message: expired.message }
  // Something unreadable is not a signature, and nothing says that it ever was one.
  const tampered = first('forged', 'other-subject')
  if (tampered) return { ...looked, answer: 'tampered', message: tampered.message }
  return { ...looked, answer: 'unsigned', message: unsignedText(requirement, looked.rejected) }
}

/** The verdict if the search was cut short; undefined when the failure is not about the image. */
export function concludeFailure(
  image: string,
  digest: ManifestDigest | undefined,
  error: unknown,
): Verdict | undefined {
  if (error instanceof TooManyAttached && digest)
    return { answer: 'unsigned', image, digest, rejected: [], message: error.message }
  if (!(error instanceof Failure)) return undefined
  const { kind, message, next } = error
  if (kind === 'corrupt') return { answer: 'tampered', image, digest: digest ?? null, rejected: [], message }
  if (kind === 'not-found' && !digest) return { answer: 'not-found', image, message }
  if (kind === 'unavailable' || kind === 'deadline' || kind === 'denied')
    return { answer: 'unreachable', image, message, next }
  return undefined
}

function goodOf(findings: readonly Finding[]): GoodSignature[] {
  return findings.flatMap((each) => ('good' in each ? [each.good] : []))
}

function rejectedOf(findings: readonly Finding[]): RejectedSignature[] {
  const all = findings.flatMap((each) => ('good' in each ? [] : [each]))
  return all
    .slice(0, rejectionsMax)
    .map(({ where, rejection }) => ({ where, reason: rejection.reason, message: rejection.message }))
}

function requiredKindOf({ signers, threshold, annotations }: Requirement): string[] {
  const count = threshold > 1 ? [`${threshold} different signers of these:`] : []
  const notes = [...annotations].map(([key, value]) => `with the annotation ${key}=${value}`)
  return [...count, ...signers.map(ruleText), ...notes]
}

function foundOf(findings: readonly Finding[]): string[] {
  const good = goodOf(findings).map((each) => signerText(each.signer))
  const others = findings.flatMap((each) => {
    if ('good' in each) return []
    const { reason, found, message } = each.rejection
    return reason === 'other-signer' || reason === 'other-annotations' ? [found ?? message] : []
  })
  return [...new Set([...good, ...others])].slice(0, rejectionsMax).map((each) => printable(each))
}

function unsignedText({ wanted }: Requirement, rejected: readonly RejectedSignature[]): string {
  const what = wanted.kind === 'signature' ? 'signature' : `attestation of the type ${wanted.predicateType}`
  const [first] = rejected
  return first ? `there is no ${what} that counts: ${first.message}` : `there is no ${what}`
}
