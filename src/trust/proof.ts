import { hash, type KeyObject } from 'node:crypto'
import { type SignedEntity, type TrustMaterial, VerificationError, Verifier } from '@sigstore/verify'
import { printable } from '../core/printable.ts'
import { assertMaySignCode, namesOf } from './certificate.ts'
import { assertValidAt } from './chain.ts'
import { type Evidence, signedBytes } from './evidence.ts'
import { assertLogNames, kindOf } from './log-body.ts'
import type { KeyRule } from './policy.ts'
import type { Proof, ProvingOptions } from './proving.ts'
import { Rejection } from './rejection.ts'
import type { Root } from './root.ts'
import { isMadeBy } from './signature.ts'
import { type Known, knownOf, timesOf } from './times.ts'

export interface ProofOptions extends Omit<ProvingOptions, 'openRoot'> {
  readonly root: Root
}

/**
 * Verifies a signature that came with a certificate: chain, certificate log, log and timestamps by @sigstore/verify;
 * the signature, and what that library does not check, here.
 * @throws Rejection
 */
export async function proveByCertificate(evidence: Evidence, options: ProofOptions): Promise<Proof> {
  const { certificate } = evidence
  if (!certificate) throw new Rejection('other-signer', 'it was made with a key, without an identity')
  const counted = knownOf(evidence, options.root)
  assertEnough(counted, options, true)
  const times = timesOf(counted)
  assertValidAt(certificate, options.root.material.certificateAuthorities, times, options.root.name)
  const key = verifiedSigner(counted, { $case: 'certificate', certificate }, options, 1)
  if (!(await isMadeBy(key, counted))) throw new Rejection('forged', 'the key of its certificate did not make it')
  for (const entry of counted.logEntries) assertLogNames(entry, key, certificate)
  assertLogsServed(counted, times, options)
  assertMaySignCode(certificate)
  return { signer: { kind: 'certificate', ...namesOf(certificate) }, times }
}

/**
 * Verifies what logs and timestamp authorities say about a signature that is known to be by a key.
 * @returns when it was made, as in a Proof
 * @throws Rejection
 */
export function proveTimes(evidence: Evidence, rule: KeyRule, options: ProofOptions): readonly number[] {
  const counted = knownOf(evidence, options.root)
  assertEnough(counted, options, false)
  const times = timesOf(counted)
  verifiedSigner(counted, { $case: 'public-key', hint: '' }, options, 0, rule.key)
  for (const entry of counted.logEntries) assertLogNames(entry, rule.key)
  assertLogsServed(counted, times, options)
  return times
}

function assertEnough(evidence: Known, { requirement, root }: ProofOptions, timeRequired: boolean): void {
  for (const entry of evidence.logEntries) kindOf(entry)
  if (requirement.logRequired && evidence.logEntries.length === 0)
    throw new Rejection('unlogged', `it is in no transparency log of ${root.name}`)
  if (requirement.timestampRequired && evidence.timestamps.length === 0)
    throw new Rejection('unlogged', `it has no timestamp of a timestamp authority of ${root.name}`)
  if (timeRequired && timesOf(evidence).length === 0)
    throw new Rejection('unlogged', 'nothing trusted says when it was made, and its certificate was valid only briefly')
}

/** The signer's key, after verifying everything but the signature itself: isMadeBy does that, for more schemes. */
function verifiedSigner(
  evidence: Known,
  key: SignedEntity['key'],
  { root, requirement }: ProofOptions,
  timestampThreshold: 0 | 1,
  publicKey?: KeyObject,
): KeyObject {
  const material: TrustMaterial = {
    ...root.material,
    publicKey: () => {
      if (publicKey) return { publicKey, validFor: () => true }
      throw new Rejection('malformed', 'it names a key where a certificate is expected')
    },
  }
  const verifier = new Verifier(material, {
    tlogThreshold: requirement.logRequired ? 1 : 0,
    ctlogThreshold: requirement.sctRequired ? 1 : 0,
    timestampThreshold,
  })
  try {
    return verifier.verify(entityOf(evidence, key)).key
  } catch (cause) {
    if (cause instanceof Rejection) throw cause
    if (cause instanceof VerificationError)
      throw new Rejection('forged', `its proofs are not valid: ${printable(cause.message)}`, { cause })
    // Untrusted bytes on which it failed prove nothing.
    throw new Rejection('malformed', 'its proofs cannot be read', { cause })
  }
}

function entityOf(evidence: Known, key: SignedEntity['key']): SignedEntity {
  const { content, signature, logEntries, timestamps } = evidence
  const signed = signedBytes(content)
  return {
    key,
    tlogEntries: [...logEntries],
    timestamps: [
      ...logEntries.map((tlogEntry) => ({ $case: 'transparency-log' as const, tlogEntry })),
      ...timestamps.map((each) => ({ $case: 'timestamp-authority' as const, timestamp: each })),
    ],
    signature: {
      signature,
      compareSignature: (other) => other.equals(signature),
      compareDigest: (digest) => isHashOf(digest, content.payload),
      compareSignedDigest: (digest) => isHashOf(digest, signed),
      verifySignature: () => true,
    },
  }
}

/** Logs store SHA-256, or the digest of the curve's size. */
function isHashOf(digest: Buffer, bytes: Buffer): boolean {
  const algorithm = { 32: 'sha256', 48: 'sha384', 64: 'sha512' }[digest.byteLength]
  return algorithm !== undefined && hash(algorithm, bytes, 'buffer').equals(digest)
}

/** A log's key is only valid while the log was in service; @sigstore/verify checks that for promises only. */
function assertLogsServed({ logEntries }: Known, times: readonly number[], { root, now }: ProofOptions): void {
  for (const entry of logEntries) {
    const ofIt = root.material.tlogs.filter((each) => each.logID.equals(entry.logId.keyId))
    const moments = times.length > 0 ? times : [now]
    const served = ofIt.some(({ validFor }) =>
      moments.every((each) => validFor.start.getTime() <= each && each <= validFor.end.getTime()),
    )
    if (!served) throw new Rejection('expired', 'its log entry comes from a log that was not in service at that time')
  }
}
