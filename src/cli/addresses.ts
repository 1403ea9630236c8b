import type { Addresses, Endpoint } from '../cluster/addresses.ts'
import { shellWord } from '../core/shell-word.ts'

/** The two lines that `native ips` prints; with TLS, also the scheme, and the authority if it is our own. */
export function addressLines({ cache, scheduler }: Addresses): string {
  const shown = ({ address, url }: Endpoint) => (url.startsWith('grpcs://') ? url : address)
  const lines = [`Cache IP: ${shown(cache)}`, `Scheduler IP: ${shown(scheduler)}`]
  return [...lines, ...(cache.tls?.ca === undefined ? [] : [`CA certificate: ${cache.tls.ca}`])].join('\n')
}

/**
 * Assignments for a shell's eval: bare addresses, used as in `--remote_cache=grpc://$CACHE`, or with TLS as in
 * `--remote_cache=grpcs://$CACHE --tls_certificate=$CA`.
 */
export function addressAssignments({ cache, scheduler }: Addresses): string {
  const lines = [`CACHE=${cache.address}`, `SCHEDULER=${scheduler.address}`]
  return [...lines, ...(cache.tls?.ca === undefined ? [] : [`CA=${shellWord(cache.tls.ca)}`])].join('\n')
}
