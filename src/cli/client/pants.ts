import type { Endpoint } from '../../cluster/driver.ts'
import { type FileTool, instanceName, type Setting } from './tool.ts'

export const pants: FileTool = {
  name: 'pants',
  place: 'pants.native.toml beside pants.toml, with PANTS_CONFIG_FILES=pants.native.toml in your shell',
  witness: 'with --stats-log, counters of "remote_cache_requests_cached" are listed at the end',
  tls: 'certificate',
  format: 'file',
  comment: '#',
  clash: (others) =>
    /^\s*\[\s*GLOBAL\s*\]/m.test(others) || /^\s*GLOBAL\s*[.=]/m.test(others)
      ? {
          message: 'it has a table [GLOBAL] already, and TOML takes one alone',
          next: 'Write into a file of its own, pants.native.toml, and let Pants read it: PANTS_CONFIG_FILES=pants.native.toml.',
        }
      : undefined,
  settings: ({ addresses }) => [
    { why: 'a table of Pants for all of its goals', lines: ['[GLOBAL]'] },
    { why: 'results of processes are looked for in the cluster', lines: ['remote_cache_read = true'] },
    { why: 'and kept there', lines: ['remote_cache_write = true'] },
    { why: 'where that is', lines: [`remote_store_address = "${addresses.cache.url}"`] },
    ...tlsSettings(addresses.cache),
    { why: 'the one instance that the cluster has', lines: [`remote_instance_name = "${instanceName}"`] },
  ],
}

function tlsSettings({ tls = {} }: Endpoint): Setting[] {
  const { ca, cert, key } = tls
  return [
    ...(ca === undefined ? [] : [{ why: 'who signed its certificate', lines: [`remote_ca_certs_path = "${ca}"`] }]),
    ...(cert === undefined ? [] : [{ why: 'what Pants shows it', lines: [`remote_client_certs_path = "${cert}"`] }]),
    ...(key === undefined ? [] : [{ why: 'and its key', lines: [`remote_client_key_path = "${key}"`] }]),
  ]
}
