import * as http from 'node:http'
import * as tls from 'node:tls'
import { namedCertificates, systemCertificates } from './certificates.ts'
import { proxyFor } from './proxy.ts'

/**
 * Runs work in which a package makes its own requests, with the proxy and the authorities of all our other requests.
 * These are set for the process and restored afterwards.
 */
export async function withNetwork<T>(
  url: URL,
  env: Readonly<Record<string, string | undefined>>,
  work: () => Promise<T>,
): Promise<T> {
  const before = tls.getCACertificates('default')
  tls.setDefaultCACertificates([...before, ...(await namedCertificates(env)), ...systemCertificates()])
  const proxy = proxyFor(url, env)
  // Available from Node 24.14 on; before that, a package's requests go directly, as they always did.
  const set = 'setGlobalProxyFromEnv' in http ? http.setGlobalProxyFromEnv : () => () => undefined
  const undo = set(proxy ? { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href } : {})
  try {
    return await work()
  } finally {
    undo()
    tls.setDefaultCACertificates(before)
  }
}
