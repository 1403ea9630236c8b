import { X509Certificate as NodeCertificate } from 'node:crypto'
import type { TransparencyLogEntry } from '@sigstore/bundle'
import type { X509Certificate } from '@sigstore/core'
import { z } from 'zod'
import type { SignedContent } from './claims.ts'
import type { Evidence } from './evidence.ts'
import { readBase64, readJson } from './json.ts'
import { envelopeSignaturesMax, partBytesMax } from './limits.ts'
import { certificateKey, logEntryKey, signatureKey, timestampKey } from './media.ts'
import { Rejection } from './rejection.ts'
import type { AttachedLayer } from './source.ts'

// cosign, pkg/cosign/bundle: RekorBundle and RFC3161Timestamp.
const rekorBundle = z.looseObject({
  SignedEntryTimestamp: z.string(),
  Payload: z.looseObject({
    body: z.string(),
    integratedTime: z.number().int().positive(),
    logIndex: z.number().int().nonnegative().nullish(),
    logID: z.string().regex(/^[0-9a-f]{64}$/),
  }),
})
const entryKind = z.looseObject({ kind: z.string(), apiVersion: z.string() })
const timestampSchema = z.looseObject({ SignedRFC3161Timestamp: z.string() })
// secure-systems-lab/dsse, envelope.md.
const envelope = z.looseObject({
  payloadType: z.string(),
  payload: z.string(),
  signatures: z
    .array(z.looseObject({ sig: z.string().nullish() }))
    .max(envelopeSignaturesMax)
    .nullish(),
})

/**
 * A signature in cosign's original format: the layer is the payload, everything else is in annotations.
 * @throws Rejection 'malformed'
 */
export async function readSimpleSigning(layer: AttachedLayer, payload: Uint8Array): Promise<readonly Evidence[]> {
  const signature = readBase64(annotation(layer, signatureKey) ?? '', 'its signature')
  return [
    await annotated(layer, 'simple-signing', { format: 'simple-signing', payload: Buffer.from(payload) }, signature),
  ]
}

/**
 * An attestation in cosign's original format: the layer is a DSSE envelope.
 * @returns one for each of its signatures: which counts depends on the known keys (envelope.md, "Multi-signature")
 * @throws Rejection 'malformed'
 */
export async function readDsseLayer(layer: AttachedLayer, bytes: Uint8Array): Promise<readonly Evidence[]> {
  const { payloadType, payload, signatures } = readJson(bytes, envelope, 'the envelope')
  const given = (signatures ?? []).flatMap(({ sig }) => (sig ? [sig] : []))
  if (given.length === 0) throw new Rejection('malformed', 'the envelope has no signature')
  const content: SignedContent = { format: 'in-toto', payload: readBase64(payload, 'the statement'), payloadType }
  return Promise.all(given.map((each) => annotated(layer, 'dsse', content, readBase64(each, 'its signature'))))
}

async function annotated(
  layer: AttachedLayer,
  form: Evidence['form'],
  content: SignedContent,
  signature: Buffer,
): Promise<Evidence> {
  const entry = annotation(layer, logEntryKey)
  const timestamp = annotation(layer, timestampKey)
  return {
    form,
    content,
    signature,
    certificate: await certificateOf(annotation(layer, certificateKey)),
    keyHint: undefined,
    logEntries: entry ? [readLogEntry(entry)] : [],
    timestamps: timestamp ? [readTimestamp(timestamp)] : [],
  }
}

/** Rekor's response as cosign stores it: an entry with its promise of inclusion (SET). */
function readLogEntry(text: string): TransparencyLogEntry {
  const { SignedEntryTimestamp, Payload } = readJson(text, rekorBundle, 'its log entry')
  const canonicalizedBody = readBase64(Payload.body, 'the body of its log entry')
  const { kind, apiVersion } = readJson(canonicalizedBody, entryKind, 'the body of its log entry')
  return {
    logIndex: String(Payload.logIndex ?? 0),
    logId: { keyId: Buffer.from(Payload.logID, 'hex') },
    kindVersion: { kind, version: apiVersion },
    integratedTime: String(Payload.integratedTime),
    inclusionPromise: { signedEntryTimestamp: readBase64(SignedEntryTimestamp, 'the promise of its log entry') },
    inclusionProof: undefined,
    canonicalizedBody,
  }
}

function readTimestamp(text: string): Buffer {
  const { SignedRFC3161Timestamp } = readJson(text, timestampSchema, 'its timestamp')
  return readBase64(SignedRFC3161Timestamp, 'its timestamp')
}

async function certificateOf(text: string | undefined): Promise<X509Certificate | undefined> {
  if (text === undefined) return undefined
  const { readCertificate } = await import('./certificate.ts')
  try {
    return readCertificate(new NodeCertificate(text).raw)
  } catch (cause) {
    if (cause instanceof Rejection) throw cause
    throw new Rejection('malformed', 'its certificate cannot be read', { cause })
  }
}

/** An annotation's value; empty and null mean absent, as cosign writes them. */
function annotation(layer: AttachedLayer, key: string): string | undefined {
  const value = layer.annotations[key]
  if (value !== undefined && Buffer.byteLength(value) > partBytesMax)
    throw new Rejection('malformed', `its annotation ${key} has more than ${partBytesMax} bytes`)
  // Go's encoding of a nil pointer.
  return value === 'null' ? undefined : value || undefined
}
