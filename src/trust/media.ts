/** Media types of signatures in a registry (cosign's SIGNATURE_SPEC.md and BUNDLE_SPEC.md). */

export const simpleSigningType = 'application/vnd.dev.cosign.simplesigning.v1+json'
export const dsseType = 'application/vnd.dsse.envelope.v1+json'
/** Followed by a version, `.v0.3+json` or `+json;version=0.1`. */
export const bundleTypePrefix = 'application/vnd.dev.sigstore.bundle'

export const signatureKey = 'dev.cosignproject.cosign/signature'
export const certificateKey = 'dev.sigstore.cosign/certificate'
export const logEntryKey = 'dev.sigstore.cosign/bundle'
export const timestampKey = 'dev.sigstore.cosign/rfc3161timestamp'
export const bundlePredicateKey = 'dev.sigstore.bundle.predicateType'

/** The statement type with which cosign 3 signs an image. */
export const cosignSignPredicate = 'https://sigstore.dev/cosign/sign/v1'
export const inTotoType = 'application/vnd.in-toto+json'

/**
 * Types under which an index of referrers may list a signature. cosign 3 lists its bundles in the fallback tag's index
 * under the type of their empty config.
 */
const candidateTypes = new Set([
  'application/vnd.oci.empty.v1+json',
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.dev.cosign.artifact.sig.v1+json',
  'application/vnd.dev.cosign.artifact.att.v1+json',
])

/** Is a referrer with this artifact type worth opening? */
export function mayBeSignature(artifactType: string | undefined): boolean {
  return artifactType === undefined || artifactType.startsWith(bundleTypePrefix) || candidateTypes.has(artifactType)
}

/** cosign's short names for predicate types. */
const predicateTypes: Readonly<Record<string, string>> = {
  custom: 'https://cosign.sigstore.dev/attestation/v1',
  slsaprovenance: 'https://slsa.dev/provenance/v0.2',
  slsaprovenance02: 'https://slsa.dev/provenance/v0.2',
  slsaprovenance1: 'https://slsa.dev/provenance/v1',
  spdx: 'https://spdx.dev/Document',
  spdxjson: 'https://spdx.dev/Document',
  cyclonedx: 'https://cyclonedx.org/bom',
  link: 'https://in-toto.io/Link/v1',
  vuln: 'https://cosign.sigstore.dev/attestation/vuln/v1',
  openvex: 'https://openvex.dev/ns',
}

/** What `--type` accepts besides a URI. */
export const predicateNames: readonly string[] = Object.keys(predicateTypes)

/** The predicate type for a value of `--type`, or undefined if it is neither a short name nor a URI. */
export function predicateTypeOf(text: string): string | undefined {
  return predicateTypes[text] ?? (URL.canParse(text) ? text : undefined)
}
