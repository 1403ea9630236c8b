import type { ClientTlsConfig, ServerTlsConfig } from '../config/tls.ts'
import { parseListen } from '../core/address.ts'
import type { Log } from '../telemetry/log.ts'
import type { ClientTls } from '../wire/tls/client-tls.ts'
import type { ServerTls, ServerTlsFiles } from '../wire/tls/server-tls.ts'

/** How often our own certificates are checked for renewal, which happens a month before they expire. */
const renewalMs = 3_600_000

/**
 * The TLS settings that a server's `tls` describes.
 * @param listen the address of the server
 * @throws Failure for files that are missing, damaged or do not match
 */
export async function serverTlsOf(
  config: ServerTlsConfig | undefined,
  listen: string,
  log: Log,
): Promise<ServerTls | undefined> {
  if (config === undefined) return undefined
  const { openServerTls } = await import('../wire/tls/server-tls.ts')
  const { cert, key, auto, client_ca: clientCa, client_cert: clientCert } = config
  const clients = {
    clientCa: clientCa === undefined ? undefined : [clientCa].flat(),
    clientsRequired: clientCert === 'required',
  }
  if (cert !== undefined && key !== undefined) return openServerTls({ cert, key, ...clients }, log)
  const place = parseListen(listen)
  return openOwn(auto ?? '', [...('host' in place ? [place.host] : []), ...config.hosts], clients, log)
}

/** Certificates that the server makes itself, and renews in time. */
async function openOwn(
  folder: string,
  hosts: readonly string[],
  clients: Omit<ServerTlsFiles, 'cert' | 'key'>,
  log: Log,
): Promise<ServerTls> {
  const { openServerTls } = await import('../wire/tls/server-tls.ts')
  const { ensureOwnCertificates, ownCertificates } = await import('../wire/tls/own-certificates.ts')
  const ensure = async () => {
    const made = await ensureOwnCertificates(folder, hosts)
    if (made.length > 0) log.info('certificates were made', { files: made })
  }
  await ensure()
  const tls = await openServerTls({ ...ownCertificates(folder).server, ...clients }, log)
  const timer = setInterval(() => {
    ensure().catch((error: unknown) => log.error('the certificates cannot be renewed', { error }))
  }, renewalMs)
  timer.unref()
  return {
    ...tls,
    close() {
      clearInterval(timer)
      tls.close()
    },
  }
}

/** The TLS settings that a server's `client_tls` describes. @throws Failure as above */
export async function clientTlsOf(config: ClientTlsConfig | undefined, log: Log): Promise<ClientTls | undefined> {
  if (config === undefined) return undefined
  const { openClientTls } = await import('../wire/tls/client-tls.ts')
  return openClientTls(config, log)
}
