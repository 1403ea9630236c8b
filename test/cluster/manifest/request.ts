import type { ManifestRequest } from '../../../src/cluster/manifest/request.ts'

/** A request where nothing is asked for. */
export const plainRequest: ManifestRequest = {
  namespace: 'native',
  deployment: {},
  machine: { platform: 'linux', arch: 'x64', cpus: 2 },
  images: { server: 'example.com/native:1', worker: `example.com/tools@sha256:${'a'.repeat(64)}` },
  profile: 'envoy',
  pool: { cidr: '172.20.255.0/28', cache: '172.20.255.4', scheduler: '172.20.255.5' },
  release: '1',
}
