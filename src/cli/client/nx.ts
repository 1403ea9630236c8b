import { type EnvironmentTool, httpUrl } from './tool.ts'

export const nx: EnvironmentTool = {
  name: 'nx',
  place: 'your shell',
  witness: '`nx run-many -t build` says "[remote cache]" of tasks, after `nx reset`',
  notes: ['Nx 20.8 or later. A workspace that is connected to Nx Cloud needs NX_NO_CLOUD=true as well.'],
  tls: 'system',
  readsSslCertFile: true,
  sendsToken: true,
  format: 'environment',
  variables: (facts) => [
    {
      name: 'NX_SELF_HOSTED_REMOTE_CACHE_SERVER',
      value: httpUrl(facts),
      why: 'where task results are looked up and stored',
    },
    {
      name: 'NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN',
      value: facts.credentials?.token ?? 'native',
      why: facts.credentials
        ? 'the token that the cluster requires'
        : 'Nx requires a token; the cluster does not, so any will do',
    },
  ],
}
