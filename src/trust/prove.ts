import { readClaims, subjectOf } from './claims.ts'
import type { Evidence } from './evidence.ts'
import { proveByKey } from './key-proof.ts'
import { fingerprintOf } from './keys.ts'
import { loggedKey } from './log-body.ts'
import { isMeant, type KeyRule, type SignerRule } from './policy.ts'
import type { Proof, ProvingOptions } from './proving.ts'
import { Rejection } from './rejection.ts'
import { type Signer, signerText } from './signer.ts'
import type { ManifestDigest } from './source.ts'

/**
 * Verifies a signature cryptographically, by the trusted keys or by the certificate that came with it.
 * @throws Rejection; for a signature made by a trusted key, what else is wrong with it
 */
export async function prove(
  evidence: Evidence,
  rules: readonly SignerRule[],
  digest: ManifestDigest,
  options: ProvingOptions,
): Promise<Proof> {
  const keys = rules.filter((each) => each.kind === 'key')
  const flaws: Rejection[] = []
  for (const rule of keys) {
    const proof = await attempt(() => proveByKey(evidence, rule, options))
    if (!(proof instanceof Rejection)) return proof
    flaws.push(proof)
  }
  if (evidence.certificate && keys.length < rules.length) {
    const { proveByCertificate } = await import('./proof.ts')
    const root = await options.openRoot()
    const proof = await attempt(() => proveByCertificate(evidence, { ...options, root }))
    if (!(proof instanceof Rejection)) return proof
    throw flaws.find((each) => each.reason !== 'other-signer') ?? proof
  }
  throw flaws.find((each) => each.reason !== 'other-signer') ?? (await unknownKey(evidence, keys, digest))
}

/**
 * Checks that the signer is one of those accepted.
 * @throws Rejection 'other-signer'
 */
export function assertMeant(signer: Signer, rules: readonly SignerRule[]): void {
  if (rules.some((each) => isMeant(each, signer))) return
  const found = signerText(signer)
  throw new Rejection('other-signer', `it was made by ${found}`, { found })
}

async function attempt(work: () => Promise<Proof>): Promise<Proof | Rejection> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Rejection) return error
    throw error
  }
}

/**
 * None of the keys made the signature. Nothing proves whether it is by another key or was altered; the rest of it
 * indicates which.
 */
async function unknownKey(evidence: Evidence, keys: readonly KeyRule[], digest: ManifestDigest): Promise<Rejection> {
  const named = namedKey(evidence)
  const rule = keys.find((each) => each.fingerprint === named)
  if (rule) return new Rejection('forged', 'it names the trusted key, but that key did not make it')
  if (!isAboutImage(evidence, digest))
    return new Rejection('forged', 'no trusted key made it, and its content is not what is signed for an image')
  const other = `another key${named === undefined ? '' : ` (sha256:${named.slice(0, 16)}...)`}`
  const found = (await certificateText(evidence)) ?? other
  return new Rejection('other-signer', `it was made with ${found}, or altered since`, { found })
}

async function certificateText({ certificate }: Evidence): Promise<string | undefined> {
  if (!certificate) return undefined
  const { namesOf } = await import('./certificate.ts')
  return `a certificate of ${namesOf(certificate).identities.join(' and ')}`
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
