import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { Failure } from '../core/failure.ts'
import { parsePublicKey } from './keys.ts'
import { certificateBytesMax } from './limits.ts'

/** A private key for signing images. */
export interface SigningKey {
  /** Its public half. */
  readonly publicKey: KeyObject
  /** Signs with SHA-256, whatever the curve: as cosign 2 and 3 verify with a key. */
  sign(bytes: Uint8Array): Buffer
  /** How a bundle names the key: base64 of the SHA-256 of its SubjectPublicKeyInfo. */
  readonly hint: string
}

/**
 * Reads a private key: PEM (PKCS #8, encrypted too, SEC 1 or PKCS #1), ECDSA on P-256, P-384 or P-521, or RSA.
 * @param where the file, for errors, which show nothing of the key
 * @param passphrase of an encrypted one
 * @throws Failure 'invalid', 'denied' without the right passphrase, 'unimplemented' for cosign's own encryption
 */
export function parseSigningKey(pem: string, where: string, passphrase: string | undefined): SigningKey {
  if (Buffer.byteLength(pem) > certificateBytesMax) throw bad('it is too large', where)
  if (/-----BEGIN ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY-----/.test(pem))
    throw new Failure('unimplemented', "the key is encrypted in cosign's own format, which is not supported", {
      where,
      next: [
        'Sign with a PEM key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem',
        'Its public half, for verifying: openssl pkey -in key.pem -pubout -out key.pub. cosign takes both: cosign import-key-pair --key key.pem.',
      ],
    })
  if (/-----BEGIN (?:RSA )?PUBLIC KEY-----/.test(pem))
    throw bad('it is a public key, but signing needs the private one', where)
  const key = decoded(pem, where, passphrase)
  const publicKey = createPublicKey(key)
  if (key.asymmetricKeyType !== 'ec' && key.asymmetricKeyType !== 'rsa')
    throw bad(`keys of the type ${key.asymmetricKeyType ?? 'unknown'} cannot be used for signing`, where)
  // The same types and minimum sizes that verification accepts.
  const { fingerprint } = parsePublicKey(publicKey.export({ type: 'spki', format: 'pem' }).toString(), where)
  return {
    publicKey,
    sign: (bytes) => sign('sha256', bytes, key),
    hint: Buffer.from(fingerprint, 'hex').toString('base64'),
  }
}

function decoded(pem: string, where: string, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) })
  } catch (cause) {
    if (!/ENCRYPTED/.test(pem)) throw bad('it is damaged, or not a private key', where)
    throw new Failure('denied', 'the key is encrypted, and the passphrase is missing or wrong', {
      where,
      next: ['Set it in COSIGN_PASSWORD.'],
      cause: passphrase === undefined ? cause : undefined,
    })
  }
}

function bad(why: string, where: string): Failure {
  return new Failure('invalid', `cannot sign with this key: ${why}`, {
    where,
    next: ['Make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem'],
  })
}
