import { type Attachment, findAttached } from './attached.ts'
import { assertAnnotations, assertKind, assertMayBe, readClaims, subjectOf } from './claims.ts'
import { conclude, concludeFailure, type Finding, isSatisfied } from './conclude.ts'
import type { Evidence } from './evidence.ts'
import type { Requirement } from './policy.ts'
import { assertMeant, prove } from './prove.ts'
import { Rejection } from './rejection.ts'
import type { Root } from './root.ts'
import type { ManifestDigest, SignatureSource } from './source.ts'
import type { GoodSignature, Verdict } from './verdict.ts'

export interface VerifyOptions {
  readonly requirement: Requirement
  /** Called only when something has to be proven with it: a certificate, a log entry, a timestamp. */
  readonly openRoot: () => Promise<Root>
  /** Milliseconds since 1970. */
  readonly now: number
}

/**
 * Resolves an image to its digest and judges the signatures that are attached to it, one after the other, until the
 * requirement is met or none is left.
 * @throws Failure when the fault is not the image's: 'invalid', 'cancelled', 'internal'
 */
export async function verifyImage(source: SignatureSource, options: VerifyOptions): Promise<Verdict> {
  let digest: ManifestDigest | undefined
  try {
    digest = await source.resolve()
    const findings: Finding[] = []
    for (const attachment of await findAttached(source, digest, options.requirement.wanted)) {
      findings.push(...(await judgeAttachment(attachment, digest, options)))
      if (isSatisfied(options.requirement, findings)) break
    }
    return conclude(source.name, digest, options.requirement, findings)
  } catch (error) {
    const verdict = concludeFailure(source.name, digest, error)
    if (verdict) return verdict
    throw error
  }
}

/**
 * Every check that one signature has to pass, in this order: first that it is intact, then who made it and when, then
 * what it says, and last whether that is who was asked for. Nothing that is signed is trusted before the signature
 * has been verified.
 * @throws Rejection by the first check that fails
 */
async function judge(
  evidence: Evidence,
  digest: ManifestDigest,
  options: VerifyOptions,
): Promise<Omit<GoodSignature, 'where'>> {
  const { requirement } = options
  assertMayBe(evidence.content, requirement.wanted)
  const proof = await prove(evidence, requirement.signers, digest, options)
  const claims = readClaims(evidence.content)
  const subject = subjectOf(claims, digest)
  assertKind(claims, requirement.wanted)
  assertAnnotations(subject, requirement.annotations)
  assertMeant(proof.signer, requirement.signers)
  const [madeAt] = proof.times
  return {
    signer: proof.signer,
    form: evidence.form,
    madeAt: madeAt === undefined ? null : new Date(madeAt).toISOString(),
    predicateType: claims.predicateType ?? null,
    annotations: Object.fromEntries(subject.annotations),
  }
}

async function judgeAttachment(
  attachment: Attachment,
  digest: ManifestDigest,
  options: VerifyOptions,
): Promise<readonly Finding[]> {
  const { where } = attachment
  const found = (work: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> =>
    work().catch((error: unknown) => {
      if (error instanceof Rejection) return [{ where, rejection: error }]
      throw error
    })
  return found(async () => {
    const findings: Finding[] = []
    for (const evidence of await attachment.read())
      findings.push(...(await found(async () => [{ good: { ...(await judge(evidence, digest, options)), where } }])))
    return findings
  })
}
