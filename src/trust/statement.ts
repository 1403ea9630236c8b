import { preAuthEncoding } from './evidence.ts'
import { cosignSignPredicate, inTotoType } from './media.ts'
import type { SigningKey } from './signing-key.ts'
import type { ManifestDigest } from './source.ts'

/** What is signed of an image. */
export interface ToSign {
  readonly digest: ManifestDigest
  /** `host/repository`, as cosign notes it. */
  readonly repository: string
  readonly annotations: Readonly<Record<string, string>>
}

/** cosign 2's payload (simple signing): containers/image, docs/atomic-signature.md. */
export function simplePayload({ digest, repository, annotations }: ToSign): Buffer {
  const critical = {
    identity: { 'docker-reference': repository },
    image: { 'docker-manifest-digest': digest },
    type: 'cosign container image signature',
  }
  const optional = Object.keys(annotations).length === 0 ? null : annotations
  return Buffer.from(JSON.stringify({ critical, optional }))
}

/** cosign 3's statement (in-toto/attestation, spec/v1/statement.md). */
export function signStatement({ digest, annotations }: ToSign): Buffer {
  const [algorithm = '', hex = ''] = digest.split(':')
  const noted = Object.keys(annotations).length === 0 ? {} : { annotations }
  const subject = [{ digest: { [algorithm]: hex }, ...noted }]
  const document = {
    _type: 'https://in-toto.io/Statement/v1',
    subject,
    predicateType: cosignSignPredicate,
    predicate: {},
  }
  return Buffer.from(JSON.stringify(document))
}

/** A bundle of a statement that a key signs, in no log (sigstore/protobuf-specs, sigstore_bundle.proto). */
export function keyBundle(statement: Buffer, key: SigningKey): object {
  const sig = key.sign(preAuthEncoding(inTotoType, statement)).toString('base64')
  return {
    mediaType: bundleMediaType,
    verificationMaterial: { publicKey: { hint: key.hint }, tlogEntries: [], timestampVerificationData: {} },
    dsseEnvelope: { payload: statement.toString('base64'), payloadType: inTotoType, signatures: [{ sig, keyid: '' }] },
  }
}

/** The type of bundles that are written. */
export const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
