import { type FileTool, instanceName } from './tool.ts'

const tokenVariable = 'NATIVE_CACHE_TOKEN'

export const moon: FileTool = {
  name: 'moon',
  place: '.moon/workspace.yml',
  witness: '`moon run` says "cached from remote" of tasks in a checkout without .moon/cache',
  notes: ['moon 2 or later; 1.30 to 1.41 call it unstable_remote.'],
  tls: 'authority',
  sendsToken: true,
  format: 'file',
  comment: '#',
  foreign: { '.json': 'JSON', '.jsonc': 'JSON', '.toml': 'TOML', '.pkl': 'Pkl', '.hcl': 'HCL' },
  clash: (others) =>
    /^(["']?)remote\1\s*:/m.test(others)
      ? { message: 'it already has a "remote", and YAML allows only one', next: 'Remove that first.' }
      : undefined,
  settings: ({ addresses, credentials }) => [
    {
      why: "where to look for task results that this machine's own cache lacks, and to store them for others",
      lines: ['remote:', `  host: '${addresses.cache.url}'`, "  api: 'grpc'"],
    },
    ...(addresses.cache.tls?.ca === undefined
      ? []
      : [
          {
            why: 'the authority that signed its certificate',
            lines: ['  tls:', `    cert: '${addresses.cache.tls.ca}'`],
          },
        ]),
    ...(credentials === undefined
      ? []
      : [
          {
            why: `the variable that moon takes the token from, since others read this file: export ${tokenVariable}=TOKEN`,
            lines: ['  auth:', `    token: '${tokenVariable}'`],
          },
        ]),
    { why: 'the only instance of the cluster', lines: ['  cache:', `    instanceName: '${instanceName}'`] },
  ],
}
