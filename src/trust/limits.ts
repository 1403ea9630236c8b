/**
 * Bounds on what a repository may make us read. Whoever can push there can attach anything to
 * an image: GHSA-vfp6-jrw2-99g9, GHSA-88jx-383q-w4qc and GHSA-95pr-fxf5-86gv are about
 * verifiers that had no such bounds.
 */

/** Manifests of signatures or attestations that are opened for one image. */
export const attachedManifestsMax = 128
/** Signatures or attestations that are judged for one image. */
export const attachmentsMax = 128
/** Bytes of one signature: a payload of simple signing, or a bundle that holds no predicate. */
export const signatureBytesMax = 1024 * 1024
/** Bytes of one attestation; bills of materials are large. */
export const attestationBytesMax = 32 * 1024 * 1024
/** Bytes of one annotation: a signature, a certificate, a log entry. */
export const annotationBytesMax = 256 * 1024
/** Log entries of one signature. */
export const logEntriesMax = 16
/** Signed timestamps of one signature. */
export const timestampsMax = 16
/** Bytes of a certificate, or of a public key. */
export const certificateBytesMax = 64 * 1024
/** Names in one certificate, and characters of each. */
export const namesMax = 16
export const nameCharactersMax = 4096
/** Subjects of one in-toto statement. */
export const subjectsMax = 4096
/** Bytes of a trusted root. */
export const trustedRootBytesMax = 1024 * 1024
/** Rejections that a verdict lists. */
export const rejectionsMax = 32
