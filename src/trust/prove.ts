import { namesOf } from './certificate.ts'
import { readClaims, subjectOf } from './claims.ts'
import type { Evidence } from './evidence.ts'
import { fingerprintOf } from './keys.ts'
import { loggedKey } from './log-body.ts'
import { isMeant, type KeyRule, type SignerRule } from './policy.ts'
import { type Proof, type ProofOptions, proveByCertificate, proveByKey } from './proof.ts'
import { Rejection } from './rejection.ts'
import { type Signer, signerText } from './signer.ts'
import type { ManifestDigest } from './source.ts'

/**
 * Verifies the cryptography of a signature, by the certificate that came with it or by each
 * of the keys that are trusted.
 * @throws Rejection
 */
export function prove(
  evidence: Evidence,
  rules: readonly SignerRule[],
  digest: ManifestDigest,
  options: ProofOptions,
): Proof {
  const keys = rules.filter((each) => each.kind === 'key')
  if (evidence.certificate && keys.length < rules.length) return proveByCertificate(evidence, options)
  for (const rule of keys) {
    const proof = attempt(() => proveByKey(evidence, rule, options))
    if (proof) return proof
  }
  throw unknownKey(evidence, keys, digest)
}

/**
 * Is the signer one of those who are meant?
 * @throws Rejection 'other-signer'
 */
export function assertMeant(signer: Signer, rules: readonly SignerRule[]): void {
  if (rules.some((each) => isMeant(each, signer))) return
  const found = signerText(signer)
  throw new Rejection('other-signer', `it was made by ${found}`, { found })
}

function attempt(work: () => Proof): Proof | undefined {
  try {
    return work()
  } catch (error) {
    // Another key may have made it; any other flaw is one whatever the key.
    if (error instanceof Rejection && error.reason === 'other-signer') return undefined
    throw error
  }
}

/**
 * None of the keys made the signature. Nothing proves whether it is another's or was altered;
 * the rest of it tells which is the case.
 */
function unknownKey(evidence: Evidence, keys: readonly KeyRule[], digest: ManifestDigest): Rejection {
  const named = namedKey(evidence)
  const rule = keys.find((each) => each.fingerprint === named)
  // cosign 3 signs bundles with Ed25519ph, which node:crypto does not know.
  if (rule?.key.asymmetricKeyType === 'ed25519' && evidence.form === 'bundle')
    return new Rejection(
      'unsupported',
      'it is of an Ed25519 key, and not plain Ed25519 (Ed25519ph), or was altered since',
    )
  if (rule) return new Rejection('forged', 'it names the key that is trusted, and that key did not make it')
  if (!isAboutImage(evidence, digest))
    return new Rejection('forged', 'no key that is trusted made it, and what it says is not what is signed of an image')
  const found = evidence.certificate
    ? `a certificate of ${namesOf(evidence.certificate).identities.join(' and ')}`
    : `another key${named === undefined ? '' : ` (sha256:${named.slice(0, 16)}...)`}`
  return new Rejection('other-signer', `it was made with ${found}, or altered since`, { found })
}

/** Fingerprint of the key that a bundle's hint or a log entry names, unproven. */
function namedKey({ keyHint, logEntries }: Evidence): string | undefined {
  if (keyHint !== undefined && /^[A-Za-z0-9+/]{43}=$/.test(keyHint))
    return Buffer.from(keyHint, 'base64').toString('hex')
  const [entry] = logEntries
  return entry && fingerprintOf(loggedKey(entry))
}

function isAboutImage(evidence: Evidence, digest: ManifestDigest): boolean {
  try {
    subjectOf(readClaims(evidence.content), digest)
    return true
  } catch (error) {
    if (error instanceof Rejection) return false
    throw error
  }
}
