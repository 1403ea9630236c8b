import type { Endpoint } from '../../cluster/addresses.ts'
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
          message: 'it already has a table [GLOBAL], and TOML allows only one',
          next: 'Write into a file of its own, pants.native.toml, and let Pants read it: PANTS_CONFIG_FILES=pants.native.toml.',
        }
      : undefined,
  settings: ({ addresses }) => [
    { why: 'the global options of Pants', lines: ['[GLOBAL]'] },
    { why: 'look up the results of processes in the cluster', lines: ['remote_cache_read = true'] },
    { why: 'and store them there', lines: ['remote_cache_write = true'] },
    { why: 'the address of its cache', lines: [`remote_store_address = "${addresses.cache.url}"`] },
    ...tlsSettings(addresses.cache),
    { why: 'the only instance of the cluster', lines: [`remote_instance_name = "${instanceName}"`] },
  ],
}

function tlsSettings({ tls = {} }: Endpoint): Setting[] {
  const { ca, cert, key } = tls
  return [
    ...(ca === undefined
      ? []
      : [{ why: 'the authority that signed its certificate', lines: [`remote_ca_certs_path = "${ca}"`] }]),
    ...(cert === undefined ? [] : [{ why: 'the client certificate', lines: [`remote_client_certs_path = "${cert}"`] }]),
    ...(key === undefined ? [] : [{ why: 'and its key', lines: [`remote_client_key_path = "${key}"`] }]),
  ]
}
