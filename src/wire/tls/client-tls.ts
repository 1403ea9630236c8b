import { X509Certificate } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { Failure } from '../../core/failure.ts'
import { loadIdentity } from './identity.ts'
import { type Fresh, keepFresh } from './kept-fresh.ts'
import { loadAuthorities, type TlsLog } from './server-tls.ts'

/** A client's TLS settings; all of them are optional. */
export interface ClientTlsFiles {
  /** PEM: the authorities that it trusts; if absent, those of this system and of Node. */
  readonly ca?: string | undefined
  /** PEM: the certificate that it presents, with its key. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** PEM: the server's exact certificate, which is trusted whatever host it is for; instead of `ca`. */
  readonly pin?: string | undefined
}

/** Whom a client trusts and what it presents. */
export interface ClientTrust {
  readonly context: SecureContext
  /** The only certificate that the server may have (DER); any that is valid for its host if absent. */
  readonly only: Buffer | undefined
}

/** The same for each new connection. */
export type ClientTls = Fresh<ClientTrust>

/**
 * Reads a client's TLS files, and reads them again when they change.
 * @param log called when that happens
 * @throws Failure 'invalid' for a certificate without a key or the other way round, and like loadIdentity
 */
export async function openClientTls(files: ClientTlsFiles, log?: TlsLog): Promise<ClientTls> {
  const { ca, cert, key, pin } = files
  if ((cert === undefined) !== (key === undefined))
    throw new Failure('invalid', 'a client certificate and its key belong together, but only one of them is given', {
      where: cert ?? key ?? '',
    })
  return keepFresh({
    files: [ca, cert, key, pin].filter((each) => each !== undefined),
    load: () => loadTrust(files, log),
    failed: (error) => log?.warn('the certificates of this client were not read again: those before stay', { error }),
  })
}

async function loadTrust(files: ClientTlsFiles, log: TlsLog | undefined): Promise<ClientTrust> {
  const { ca, cert, key, pin } = files
  const identity = cert === undefined || key === undefined ? undefined : await loadIdentity({ cert, key })
  for (const warning of identity?.warnings ?? []) log?.warn(warning)
  const { createSecureContext } = process.getBuiltinModule('node:tls')
  const trusted = pin ?? ca
  const authorities = trusted === undefined ? systemAuthorities() : await loadAuthorities(trusted)
  const context = createSecureContext({
    ca: authorities,
    ...(identity && { cert: identity.cert, key: identity.key }),
    // What the user named is trusted without its issuers: a pinned certificate, or an intermediate authority.
    allowPartialTrustChain: trusted !== undefined,
    minVersion: 'TLSv1.2',
  })
  return { context, only: pin === undefined ? undefined : new X509Certificate(String(authorities)).raw }
}

let usual: ClientTrust | undefined

/** For clients without settings: the authorities of this system and of Node, and no certificate. */
export function usualTrust(): ClientTrust {
  const { createSecureContext } = process.getBuiltinModule('node:tls')
  usual ??= { context: createSecureContext({ ca: systemAuthorities(), minVersion: 'TLSv1.2' }), only: undefined }
  return usual
}

/** Those of the operating system (SSL_CERT_FILE and SSL_CERT_DIR where they are set), of Node, and NODE_EXTRA_CA_CERTS. */
function systemAuthorities(): string[] {
  const { getCACertificates } = process.getBuiltinModule('node:tls')
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system')])]
}
