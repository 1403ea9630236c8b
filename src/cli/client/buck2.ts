import type { Endpoint } from '../../cluster/addresses.ts'
import { type FileTool, instanceName, isSecure } from './tool.ts'

export const buck2: FileTool = {
  name: 'buck2',
  place: ".buckconfig.local, beside the project's .buckconfig",
  witness: '`buck2 log what-ran` says "re" or "cache" of actions, and a build\'s last lines count them',
  notes: ["The project's execution platforms decide what runs remotely."],
  tls: 'authority',
  format: 'file',
  comment: '#',
  settings: ({ addresses }) => [
    { why: 'the digest function', lines: ['[buck2]', 'digest_algorithms = SHA256'] },
    {
      why: 'what runs actions, what stores their results, and where blobs are stored',
      lines: [
        '[buck2_re_client]',
        `engine_address = grpc://${addresses.scheduler.address}`,
        `action_cache_address = grpc://${addresses.cache.address}`,
        `cas_address = grpc://${addresses.cache.address}`,
      ],
    },
    ...(isSecure(addresses)
      ? [{ why: 'with TLS, which the addresses do not express', lines: ['tls = true', ...authority(addresses.cache)] }]
      : [{ why: 'without TLS', lines: ['tls = false'] }]),
    { why: 'the only instance of the cluster', lines: [`instance_name = ${instanceName}`] },
  ],
}

function authority({ tls }: Endpoint): string[] {
  return tls?.ca === undefined ? [] : [`tls_ca_certs = ${tls.ca}`]
}
