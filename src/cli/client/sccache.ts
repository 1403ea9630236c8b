import { type EnvironmentTool, httpUrl } from './tool.ts'

export const sccache: EnvironmentTool = {
  name: 'sccache',
  place: 'your shell',
  witness: '`sccache --show-stats` names "webdav" as the cache location, and counts hits',
  notes: ['An sccache server that is already running keeps its settings: end it with `sccache --stop-server`.'],
  tls: 'system',
  readsSslCertFile: true,
  sendsToken: true,
  format: 'environment',
  variables: (facts) => [
    {
      name: 'SCCACHE_WEBDAV_ENDPOINT',
      value: `${httpUrl(facts)}/sccache/`,
      why: "where results are looked up and stored, in place of sccache's own folder",
    },
    ...(facts.credentials
      ? [{ name: 'SCCACHE_WEBDAV_TOKEN', value: facts.credentials.token, why: 'the token that the cluster requires' }]
      : []),
  ],
}
