import { type EnvironmentTool, httpUrl } from './tool.ts'

export const nx: EnvironmentTool = {
  name: 'nx',
  place: 'your shell',
  witness: '`nx run-many -t build` says "[remote cache]" of tasks, after `nx reset`',
  notes: ['Nx 20.8 or later. A workspace that is connected to Nx Cloud wants NX_NO_CLOUD=true as well.'],
  tls: 'system',
  sendsToken: true,
  format: 'environment',
  variables: (facts) => [
    {
      name: 'NX_SELF_HOSTED_REMOTE_CACHE_SERVER',
      value: httpUrl(facts),
      why: 'where results of tasks are looked for and kept',
    },
    {
      name: 'NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN',
      value: facts.credentials?.token ?? 'native',
      why: facts.credentials ? 'the token that the cluster asks for' : 'what Nx shows there; the cluster asks for none',
    },
  ],
}
