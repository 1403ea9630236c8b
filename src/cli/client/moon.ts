import { type FileTool, instanceName } from './tool.ts'

export const moon: FileTool = {
  name: 'moon',
  place: '.moon/workspace.yml',
  witness: '`moon run` says "cached from remote" of tasks in a checkout without .moon/cache',
  notes: ['moon 2 or later; 1.30 to 1.41 call it unstable_remote.'],
  tls: 'system',
  format: 'file',
  comment: '#',
  foreign: { '.json': 'JSON', '.jsonc': 'JSON', '.toml': 'TOML', '.pkl': 'Pkl', '.hcl': 'HCL' },
  clash: (others) =>
    /^(["']?)remote\1\s*:/m.test(others)
      ? { message: 'it has a "remote" already, and YAML takes one alone', next: 'Take that out first.' }
      : undefined,
  settings: ({ addresses }) => [
    {
      why: "where results of tasks are looked for that this machine's own cache has not, and kept for others",
      lines: ['remote:', `  host: '${addresses.cache.url}'`, "  api: 'grpc'"],
    },
    { why: 'the one instance that the cluster has', lines: ['  cache:', `    instanceName: '${instanceName}'`] },
  ],
}
