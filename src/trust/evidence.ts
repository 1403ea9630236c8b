import type { TransparencyLogEntry } from '@sigstore/bundle'
import type { X509Certificate } from '@sigstore/core'
import type { SignedContent } from './claims.ts'

/**
 * How a signature is stored.
 * - simple-signing: cosign's original format, a payload with the signature in annotations
 * - dsse: cosign's attestation, an envelope as a layer
 * - bundle: a Sigstore bundle
 */
export type Form = 'simple-signing' | 'dsse' | 'bundle'

/** One signature with everything that came with it, in one shape for all formats. None of it is trusted yet. */
export interface Evidence {
  readonly form: Form
  readonly content: SignedContent
  readonly signature: Buffer
  /** The signer's certificate, if it says who that is; otherwise a key is used. */
  readonly certificate: X509Certificate | undefined
  /** A bundle's hint at the key, usually base64 of its SHA-256. Helps to explain, proves nothing. */
  readonly keyHint: string | undefined
  readonly logEntries: readonly TransparencyLogEntry[]
  /** RFC 3161 responses, DER. */
  readonly timestamps: readonly Buffer[]
}

/** The bytes that were signed: the payload, or DSSE's encoding of payload and type. */
export function signedBytes(content: SignedContent): Buffer {
  return content.format === 'simple-signing' ? content.payload : preAuthEncoding(content.payloadType, content.payload)
}

/** PAE of secure-systems-lab/dsse, protocol.md: lengths are of bytes. */
export function preAuthEncoding(type: string, payload: Buffer): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.byteLength} `
  return Buffer.concat([Buffer.from(head), payload])
}
