import { createPrivateKey, randomBytes } from 'node:crypto'
import { isIP } from 'node:net'

/** An authority of our own, with its key: PEM. */
export interface AuthorityFiles {
  readonly cert: string
  readonly key: string
}

export interface Request {
  /** Names and addresses under which a server is reached; none for a client. */
  readonly hosts: readonly string[]
  readonly commonName: string
  readonly use: 'server' | 'client'
  readonly days: number
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const msPerDay = 86_400_000
/** A machine whose clock is this far behind still accepts a new certificate. */
const earlyMs = msPerDay
const authorityDays = 3650
const serverAuth = '1.3.6.1.5.5.7.3.1'
const clientAuth = '1.3.6.1.5.5.7.3.2'

/** Makes an authority that lasts ten years: ECDSA on P-256, for servers and clients, with no authority below it. */
export async function makeAuthority(commonName: string): Promise<AuthorityFiles> {
  const x509 = await library()
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [commonNameOf(commonName)] }],
    ...validity(authorityDays),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { cert: `${certificate.toString('pem')}\n`, key: await pemOf(keys.privateKey) }
}

/** Issues a certificate, with its key. */
export async function issue(authority: AuthorityFiles, request: Request): Promise<AuthorityFiles> {
  const x509 = await library()
  const issuer = new x509.X509Certificate(authority.cert)
  const secret = createPrivateKey(authority.key).export({ type: 'pkcs8', format: 'der' })
  const signingKey = await crypto.subtle.importKey('pkcs8', new Uint8Array(secret), algorithm, false, ['sign'])
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [commonNameOf(request.commonName)] }],
    issuer: issuer.subjectName,
    ...validity(request.days),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([request.use === 'server' ? serverAuth : clientAuth]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...(request.hosts.length === 0
        ? []
        : [
            new x509.SubjectAlternativeNameExtension(
              request.hosts.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
            ),
          ]),
    ],
  })
  return { cert: `${certificate.toString('pem')}\n`, key: await pemOf(keys.privateKey) }
}

/** RFC 5280, appendix A.1: at most 64 characters. */
function commonNameOf(text: string): string {
  return text.slice(0, 64)
}

function validity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now()
  return { notBefore: new Date(now - earlyMs), notAfter: new Date(now + days * msPerDay) }
}

/** 127 random bits: positive, as a serial number has to be, and without a leading zero. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes.toString('hex')
}

async function pemOf(key: CryptoKey): Promise<string> {
  const bytes = Buffer.from(await crypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' })
    .export({ type: 'pkcs8', format: 'pem' })
    .toString()
}

/** Loaded only when a certificate is made: it takes some hundred milliseconds. It needs Reflect's metadata. */
async function library() {
  await import('reflect-metadata/lite')
  return import('@peculiar/x509')
}
