import * as http from 'node:http'
import * as tls from 'node:tls'
import { namedCertificates, systemCertificates } from './certificates.ts'
import { proxyFor } from './proxy.ts'

/**
 * Runs work that reaches an address by the requests of a package, which asks no one how: with the proxy and the
 * authorities that all our own requests have. They are set for the process and taken back in the end.
 */
export async function withNetwork<T>(
  url: URL,
  env: Readonly<Record<string, string | undefined>>,
  work: () => Promise<T>,
): Promise<T> {
  const before = tls.getCACertificates('default')
  tls.setDefaultCACertificates([...before, ...(await namedCertificates(env)), ...systemCertificates()])
  const proxy = proxyFor(url, env)
  // Node knows it from 24.14 on; before that a package's requests go directly, as they always did.
  const set = 'setGlobalProxyFromEnv' in http ? http.setGlobalProxyFromEnv : () => () => undefined
  const undo = set(proxy ? { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href } : {})
  try {
    return await work()
  } finally {
    undo()
    tls.setDefaultCACertificates(before)
  }
}
