import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto'
import { Failure } from '../../core/failure.ts'
import { assertWhole, certificatesIn, readPem } from './pem.ts'

/** A certificate with its key, as PEM. */
export interface Identity {
  /** The certificate itself, and any intermediate ones. */
  readonly cert: string
  readonly key: string
  /** What people should know about the files: whole sentences without secrets. */
  readonly warnings: readonly string[]
}

const anybody = 0o007

/**
 * Reads a certificate and its key.
 * @throws Failure 'invalid' for what is not PEM, is truncated or does not match; a system failure if a file cannot be
 *   read
 */
export async function loadIdentity(files: { readonly cert: string; readonly key: string }): Promise<Identity> {
  const [cert, key] = await Promise.all([readPem(files.cert, 'the certificate'), readPem(files.key, 'the private key')])
  const [own] = certificatesIn(cert.text, files.cert, 'the certificate')
  const secret = privateKeyIn(key.text, files.key)
  if (!own?.checkPrivateKey(secret))
    throw new Failure('invalid', `the private key does not belong to the certificate in ${files.cert}`, {
      where: files.key,
      next: [
        'Give the key that belongs to the certificate. In a file with several certificates, the server certificate must come first.',
      ],
    })
  const open = (key.mode & anybody) !== 0
  return {
    cert: cert.text,
    key: key.text,
    warnings: [
      ...(open ? [`everyone on this machine can read the private key ${files.key}: run "chmod 600 ${files.key}"`] : []),
      ...dateWarnings(own, files.cert),
    ],
  }
}

/** Warns if a certificate is not valid now; it may be in a minute, or on machines whose clocks are right. */
function dateWarnings({ validFromDate, validToDate }: X509Certificate, file: string): string[] {
  const now = new Date()
  if (validToDate < now)
    return [`the certificate ${file} expired on ${validToDate.toISOString()}: others do not accept it`]
  if (validFromDate > now)
    return [`the certificate ${file} is not valid before ${validFromDate.toISOString()}: others do not accept it yet`]
  return []
}

function privateKeyIn(text: string, file: string): KeyObject {
  assertWhole(text, file, 'the private key')
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text))
    throw new Failure('invalid', 'the private key has a passphrase, and there is no one to enter it', {
      where: file,
      next: ['Write it without one: openssl pkey -in KEY -out server.key'],
    })
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    throw new Failure('invalid', 'the file has no private key in it', {
      where: file,
      next: ['A key in PEM begins with "-----BEGIN PRIVATE KEY-----".'],
    })
  try {
    return createPrivateKey(text)
  } catch (cause) {
    throw new Failure('invalid', 'the private key cannot be read: it is damaged, or of an unknown type', {
      where: file,
      cause,
    })
  }
}
