import type { Endpoint } from '../../cluster/driver.ts'
import { type FileTool, instanceName, isSecure } from './tool.ts'

export const buck2: FileTool = {
  name: 'buck2',
  place: ".buckconfig.local, beside the project's .buckconfig",
  witness: '`buck2 log what-ran` says "re" or "cache" of actions, and a build\'s last lines count them',
  notes: ["What runs remotely is said by the project's execution platforms, not here."],
  tls: 'authority',
  format: 'file',
  comment: '#',
  settings: ({ addresses }) => [
    { why: 'digests that the cluster takes', lines: ['[buck2]', 'digest_algorithms = SHA256'] },
    {
      why: 'who runs actions; who keeps their results; where blobs are kept',
      lines: [
        '[buck2_re_client]',
        `engine_address = grpc://${addresses.scheduler.address}`,
        `action_cache_address = grpc://${addresses.cache.address}`,
        `cas_address = grpc://${addresses.cache.address}`,
      ],
    },
    ...(isSecure(addresses)
      ? [{ why: 'with TLS, which the addresses do not say', lines: ['tls = true', ...authority(addresses.cache)] }]
      : [{ why: 'without TLS', lines: ['tls = false'] }]),
    { why: 'the one instance that the cluster has', lines: [`instance_name = ${instanceName}`] },
  ],
}

function authority({ tls }: Endpoint): string[] {
  return tls?.ca === undefined ? [] : [`tls_ca_certs = ${tls.ca}`]
}
