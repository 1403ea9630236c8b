import type { Endpoint } from '../../cluster/addresses.ts'
import { type FileTool, instanceName } from './tool.ts'

export const buildstream: FileTool = {
  name: 'buildstream',
  place: '~/.config/buildstream.conf',
  witness: '`bst build` says "Pushed artifact" and "Pulled artifact"',
  notes: ['BuildStream 2. The cluster also stores the names of artifacts and sources, so no index server is needed.'],
  tls: 'certificate',
  sendsToken: 'over TLS',
  format: 'file',
  comment: '#',
  clash: (others) => {
    const [, found] = /^["']?(artifacts|source-caches)["']?\s*:/m.exec(others) ?? []
    return found === undefined
      ? undefined
      : { message: `it already has "${found}", and YAML allows only one`, next: 'Remove that first.' }
  },
  settings: async ({ addresses, credentials }) => {
    const lines = servers(addresses.scheduler, await credentials?.file())
    return [
      {
        why: 'where artifacts are fetched from and pushed to, both index and storage',
        lines: ['artifacts:', ...lines],
      },
      { why: 'the same for sources', lines: ['source-caches:', ...lines] },
    ]
  },
}

/** @param token the path of a file */
function servers({ url, tls = {} }: Endpoint, token: string | undefined): string[] {
  const { ca, cert, key } = tls
  const files = { 'server-cert': ca, 'client-cert': cert, 'client-key': key, 'access-token': token }
  const named = Object.entries(files).flatMap(([name, file]) => (file === undefined ? [] : [`      ${name}: ${file}`]))
  return [
    '  servers:',
    `  - url: ${url.replace(/^grpc/, 'http')}`,
    `    instance-name: ${instanceName}`,
    '    push: true',
    ...(named.length === 0 ? [] : ['    auth:', ...named]),
  ]
}
