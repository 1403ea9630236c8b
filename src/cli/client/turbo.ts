import { type EnvironmentTool, httpUrl } from './tool.ts'

export const turbo: EnvironmentTool = {
  name: 'turbo',
  place: 'your shell',
  witness: '`turbo run build` says "Remote caching enabled", then "cached" of tasks whose node_modules/.cache is gone',
  tls: 'system',
  readsSslCertFile: true,
  sendsToken: true,
  format: 'environment',
  variables: (facts) => [
    { name: 'TURBO_API', value: httpUrl(facts), why: 'where task results are looked up and stored' },
    { name: 'TURBO_TEAM', value: 'native', why: 'turbo uses no remote cache without a team; any name will do' },
    facts.credentials
      ? { name: 'TURBO_TOKEN', value: facts.credentials.token, why: 'the token that the cluster requires' }
      : { name: 'TURBO_TOKEN', value: 'native', why: 'nor without a token; the cluster requires none, so any will do' },
  ],
}
