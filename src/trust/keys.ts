import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto'
import { Failure } from '../core/failure.ts'
import { certificateBytesMax } from './limits.ts'

/** A trusted public key. */
export interface TrustedKey {
  readonly key: KeyObject
  /** sha256 of its SubjectPublicKeyInfo in hexadecimal: its name here. */
  readonly fingerprint: string
}

/** Digests used for signatures, by type of key; Ed25519 has its own. */
const digestOf: Readonly<Record<string, readonly string[]>> = {
  prime256v1: ['sha256'],
  // cosign 2 uses SHA-256 for every curve, cosign 3 the one of the curve's size.
  secp384r1: ['sha384', 'sha256'],
  secp521r1: ['sha512', 'sha256'],
  rsa: ['sha256'],
}
const rsaBitsMin = 2048

/**
 * Reads a public key: PEM (SPKI, or PKCS #1 for RSA), ECDSA on P-256, P-384 or P-521, RSA from 2048 bits, or Ed25519.
 * @param where the file, for errors
 * @throws Failure 'invalid'
 */
export function parsePublicKey(pem: string, where: string): TrustedKey {
  if (Buffer.byteLength(pem) > certificateBytesMax) throw bad('it is too large', where)
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) throw bad('it is a private key', where)
  if (!/-----BEGIN (?:RSA )?PUBLIC KEY-----/.test(pem)) throw bad('it has no -----BEGIN PUBLIC KEY-----', where)
  // The file does not say which one is meant; OpenSSL would take the first and ignore the others.
  if (pem.split('-----BEGIN ').length > 2) throw bad('there is more than one in it', where)
  const key = decoded(pem, where)
  if (!schemesOf(key)) throw bad(`keys of the type ${curveOf(key)} are not used to sign images`, where)
  if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < rsaBitsMin)
    throw bad(`an RSA key must have at least ${rsaBitsMin} bits`, where)
  return { key, fingerprint: fingerprintOf(key) }
}

// cosign accepts URLs for key management systems, Kubernetes, the environment, the web, and PKCS #11.
const elsewhere = /^(?:[a-z][a-z0-9+]*:\/\/|pkcs11:)/

/**
 * Keys are read from files: a signature should be checked against a local key, not against whatever a service returns
 * today.
 * @throws Failure 'unimplemented' for a key elsewhere, with what to do instead
 */
export function assertKeyFile(name: string, where: string): void {
  const scheme = elsewhere.exec(name)?.[0]
  if (scheme === undefined) return
  const isWeb = scheme === 'https://' || scheme === 'http://'
  throw new Failure('unimplemented', `keys are read from files, not from ${scheme}`, {
    where,
    next: [
      `Write the public key to a file, and use that: ${isWeb ? 'curl -o' : 'cosign public-key --key REF --outfile'} cosign.pub${isWeb ? ' URL' : ''}.`,
    ],
  })
}

/** sha256 of the key's SubjectPublicKeyInfo, hexadecimal. */
export function fingerprintOf(key: KeyObject): string {
  return hash('sha256', spkiOf(key), 'hex')
}

/** The key as SubjectPublicKeyInfo in DER: equal bytes mean equal keys. */
export function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

/**
 * Did the owner of the key sign these bytes (Ed25519: without prehashing)? Also false for types of keys that do not
 * sign images.
 */
export function isSignedBy(key: KeyObject, signed: Uint8Array, signature: Uint8Array): boolean {
  return (schemesOf(key) ?? []).some((digest) => {
    try {
      return verify(digest, signed, key, signature)
    } catch {
      // OpenSSL throws for a malformed signature, which is not valid either.
      return false
    }
  })
}

function schemesOf(key: KeyObject): readonly (string | null)[] | undefined {
  return key.asymmetricKeyType === 'ed25519' ? [null] : digestOf[curveOf(key)]
}

function curveOf(key: KeyObject): string {
  return key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? 'unknown'
}

function decoded(pem: string, where: string): KeyObject {
  try {
    return createPublicKey(pem)
  } catch (cause) {
    throw new Failure('invalid', 'cannot read the public key: it is damaged', { where, cause })
  }
}

function bad(why: string, where: string): Failure {
  return new Failure('invalid', `cannot use this as a public key: ${why}`, {
    where,
    next: ['Give the file that `cosign generate-key-pair` calls cosign.pub.'],
  })
}
