import { createPublicKey, type KeyObject, X509Certificate as NodeCertificate } from 'node:crypto'
import type { TransparencyLogEntry } from '@sigstore/bundle'
import type { X509Certificate } from '@sigstore/core'
import { z } from 'zod'
import { printable } from '../core/printable.ts'
import { readBase64, readJson } from './json.ts'
import { spkiOf } from './keys.ts'
import { Rejection } from './rejection.ts'

/** The signer named by a log entry: a certificate or a public key, DER. */
interface LoggedSigner {
  readonly kind: 'certificate' | 'key'
  readonly der: Buffer
}

const verifier = z.looseObject({
  publicKey: z.looseObject({ rawBytes: z.string() }).nullish(),
  x509Certificate: z.looseObject({ rawBytes: z.string() }).nullish(),
})
const one = <Item extends z.ZodType>(item: Item) => z.tuple([item])

// sigstore/rekor, pkg/types/*/v*/*_schema.json; sigstore/rekor-tiles, api/proto/rekor/v2.
const bodies = {
  'hashedrekord/0.0.1': z.looseObject({
    spec: z.looseObject({ signature: z.looseObject({ publicKey: z.looseObject({ content: z.string() }) }) }),
  }),
  'dsse/0.0.1': z.looseObject({
    spec: z.looseObject({ signatures: one(z.looseObject({ verifier: z.string() })) }),
  }),
  'intoto/0.0.2': z.looseObject({
    spec: z.looseObject({
      content: z.looseObject({
        envelope: z.looseObject({ signatures: one(z.looseObject({ publicKey: z.string() })) }),
      }),
    }),
  }),
  'hashedrekord/0.0.2': z.looseObject({
    spec: z.looseObject({
      hashedRekordV002: z.looseObject({ signature: z.looseObject({ verifier }) }),
    }),
  }),
  'dsse/0.0.2': z.looseObject({
    spec: z.looseObject({ dsseV002: z.looseObject({ signatures: one(z.looseObject({ verifier })) }) }),
  }),
} as const

/**
 * The signer that a log entry names. @sigstore/verify compares only signature and digest, so an entry with somebody
 * else's key for the same signature would pass there.
 * @throws Rejection 'malformed'; 'unsupported' for kinds of entries that hold no image signature
 */
function loggedSigner(entry: TransparencyLogEntry): LoggedSigner {
  const body = entry.canonicalizedBody
  const what = 'the body of its log entry'
  switch (kindOf(entry)) {
    case 'hashedrekord/0.0.1':
      return fromPem(readJson(body, bodies['hashedrekord/0.0.1'], what).spec.signature.publicKey.content)
    case 'dsse/0.0.1':
      return fromPem(readJson(body, bodies['dsse/0.0.1'], what).spec.signatures[0].verifier)
    case 'intoto/0.0.2':
      return fromPem(readJson(body, bodies['intoto/0.0.2'], what).spec.content.envelope.signatures[0].publicKey)
    case 'hashedrekord/0.0.2':
      return fromVerifier(readJson(body, bodies['hashedrekord/0.0.2'], what).spec.hashedRekordV002.signature.verifier)
    case 'dsse/0.0.2':
      return fromVerifier(readJson(body, bodies['dsse/0.0.2'], what).spec.dsseV002.signatures[0].verifier)
  }
}

/**
 * The kind of a log entry, if it is supported. intoto 0.0.1 stores no signature, so there is nothing to compare.
 * @throws Rejection 'unsupported'
 */
export function kindOf({ kindVersion: { kind, version } }: TransparencyLogEntry): keyof typeof bodies {
  const name = `${kind}/${version}`
  if (Object.hasOwn(bodies, name)) return name as keyof typeof bodies
  throw new Rejection('unsupported', `log entries of the kind ${printable(name, 60)} are not supported`)
}

/**
 * Checks that the log entry names exactly the signer whose signature it is.
 * @throws Rejection 'forged'
 */
export function assertLogNames(entry: TransparencyLogEntry, key: KeyObject, certificate?: X509Certificate): void {
  const logged = loggedSigner(entry)
  const isSame =
    logged.kind === 'certificate' && certificate
      ? certificate.root.toDER().equals(logged.der)
      : spkiOf(key).equals(spkiOf(keyOf(logged)))
  if (!isSame) throw new Rejection('forged', `its log entry is for a different ${logged.kind}, not the signer's`)
}

/** The public key that a log entry names. @throws Rejection as loggedSigner does */
export function loggedKey(entry: TransparencyLogEntry): KeyObject {
  return keyOf(loggedSigner(entry))
}

function fromVerifier(value: z.output<typeof verifier>): LoggedSigner {
  if (value.x509Certificate) return { kind: 'certificate', der: readBase64(value.x509Certificate.rawBytes, 'it') }
  if (value.publicKey) return { kind: 'key', der: readBase64(value.publicKey.rawBytes, 'it') }
  throw new Rejection('malformed', 'its log entry names no signer')
}

/** PEM in base64. Keys are normalised, since PEM of PKCS #1 and of SPKI can be the same key. */
function fromPem(encoded: string): LoggedSigner {
  const text = readBase64(encoded, 'the signer in its log entry').toString('latin1')
  return readable(() =>
    text.includes('-----BEGIN CERTIFICATE-----')
      ? { kind: 'certificate', der: new NodeCertificate(text).raw }
      : { kind: 'key', der: spkiOf(createPublicKey(text)) },
  )
}

function keyOf({ kind, der }: LoggedSigner): KeyObject {
  return readable(() =>
    kind === 'certificate'
      ? new NodeCertificate(der).publicKey
      : createPublicKey({ key: der, format: 'der', type: 'spki' }),
  )
}

function readable<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new Rejection('malformed', 'the signer in its log entry cannot be read', { cause })
  }
}
