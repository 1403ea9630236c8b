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
/** Bytes of one part of a signature as it is stored: an annotation, or a text in a bundle but for the payload. */
export const partBytesMax = 256 * 1024
/**
 * Values in one JSON document, counted before it is parsed: each takes up to 200 bytes of memory, though two bytes
 * write one. A bundle with all that is verified of it has a tenth of these.
 */
export const valuesMax = 16 * 1024
/** The same for a signed statement. Bills of materials have many, of more than twelve bytes each. */
export const statementValuesMax = 2 * 1024 * 1024
/** Signatures in one envelope: each may cost an operation with a public key. */
export const envelopeSignaturesMax = 16
/** Log entries of one signature. */
export const logEntriesMax = 16
/** Hashes of the proof that a log holds an entry: one for each level of a tree with 2^64 leaves. */
export const proofHashesMax = 64
/** Signed timestamps of one signature. */
export const timestampsMax = 16
/** Bytes of a certificate, or of a public key. */
export const certificateBytesMax = 64 * 1024
/** Names in one certificate, and characters of each. */
export const namesMax = 16
export const nameCharactersMax = 4096
/** Certificates in a chain, of which the first is read. */
export const chainMax = 16
/** Subjects of one in-toto statement, and annotations of each. */
export const subjectsMax = 4096
export const notesMax = 1024
/** Bytes of a trusted root. */
export const trustedRootBytesMax = 1024 * 1024
/** Rejections that a verdict lists. */
export const rejectionsMax = 32
