import { X509Certificate } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { Failure } from '../../core/failure.ts'
import { loadIdentity } from './identity.ts'
import { type Fresh, keepFresh } from './kept-fresh.ts'
import { loadAuthorities, type TlsLog } from './server-tls.ts'

/** A client's TLS settings; all of them are optional. */
export interface ClientTlsFiles {
  /** PEM: the authorities that it trusts; absent, those of this system and of Node. */
  readonly ca?: string | undefined
  /** PEM: the certificate that it shows, with its key. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** PEM: the very certificate that the server has, which is trusted whatever host it is for; in place of `ca`. */
  readonly pin?: string | undefined
}

/** Whom a client trusts and what it shows. */
export interface ClientTrust {
  readonly context: SecureContext
  /** The one certificate that the server may have (DER); any that is for its host when absent. */
  readonly only: Buffer | undefined
}

/** The same for each new connection. */
export type ClientTls = Fresh<ClientTrust>

/**
 * Reads what a client needs for TLS, and reads it again when the files change.
 * @param log is told when that happens
 * @throws Failure 'invalid' for a certificate without a key or the other way round, and as loadIdentity does
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
    // What the user named is trusted without what stands above it: a pinned certificate, or an authority below another.
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
