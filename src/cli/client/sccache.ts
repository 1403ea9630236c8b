import { type EnvironmentTool, httpUrl } from './tool.ts'

export const sccache: EnvironmentTool = {
  name: 'sccache',
  place: 'your shell',
  witness: '`sccache --show-stats` names "webdav" as the cache location, and counts hits',
  notes: ['A server of sccache that runs already goes on as before: `sccache --stop-server` ends it.'],
  tls: 'system',
  sendsToken: true,
  format: 'environment',
  variables: (facts) => [
    {
      name: 'SCCACHE_WEBDAV_ENDPOINT',
      value: `${httpUrl(facts)}/sccache/`,
      why: "where results are looked for and kept, in place of sccache's own folder",
    },
    ...(facts.credentials
      ? [{ name: 'SCCACHE_WEBDAV_TOKEN', value: facts.credentials.token, why: 'the token that the cluster asks for' }]
      : []),
  ],
}
