import { constants } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { messageOf } from '../../core/failure.ts'
import { loadIdentity } from './identity.ts'
import { type Fresh, keepFresh } from './kept-fresh.ts'
import { certificatesIn, readPem } from './pem.ts'

export interface ServerTlsFiles {
  /** PEM: the server's certificate, and any intermediate ones. */
  readonly cert: string
  readonly key: string
  /** PEM: the authorities whose client certificates are accepted; if absent, clients are not asked for any. */
  readonly clientCa?: readonly string[] | undefined
  /** Are clients without a certificate refused? */
  readonly clientsRequired?: boolean | undefined
}

/** What a server needs for TLS. */
export interface ServerTls extends Fresh<SecureContext> {
  /** Does it ask clients for certificates, and refuse those without? */
  readonly clients: 'not asked' | 'asked' | 'required'
}

/** Called with what people should know. */
export interface TlsLog {
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
}

/**
 * A server's certificate and key, and whose client certificates it accepts; read again when the files change.
 * @throws Failure like loadIdentity, and for authorities that are not certificates
 */
export async function openServerTls(files: ServerTlsFiles, log: TlsLog, lookMs?: number): Promise<ServerTls> {
  const { cert, key, clientCa = [] } = files
  const fresh = await keepFresh({
    files: [cert, key, ...clientCa],
    load: () => loadContext(files, log),
    changed: () => log.info('the certificate was read again', { where: cert }),
    failed: (error) =>
      log.warn(`the certificate could not be read again, and the previous one stays in use: ${messageOf(error)}`, {
        where: cert,
      }),
    lookMs,
  })
  return { ...fresh, clients: clientCa.length === 0 ? 'not asked' : files.clientsRequired ? 'required' : 'asked' }
}

async function loadContext({ cert, key, clientCa = [] }: ServerTlsFiles, log: TlsLog): Promise<SecureContext> {
  const identity = await loadIdentity({ cert, key })
  for (const warning of identity.warnings) log.warn(warning)
  const ca = await Promise.all(clientCa.map((file) => loadAuthorities(file)))
  const { createSecureContext } = process.getBuiltinModule('node:tls')
  return createSecureContext({
    cert: identity.cert,
    key: identity.key,
    ...(ca.length > 0 && { ca }),
    minVersion: 'TLSv1.2',
    honorCipherOrder: true,
    // With TLS 1.2 a client could otherwise make the server compute one handshake after another.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    // Without it OpenSSL refuses every client that presents a certificate and resumes a session.
    sessionIdContext: 'native',
  })
}

/** A PEM file of authorities' certificates. @throws Failure 'invalid' if there is none */
export async function loadAuthorities(file: string): Promise<string> {
  const what = 'the certificate of the authority'
  const { text } = await readPem(file, what)
  certificatesIn(text, file, what)
  return text
}
