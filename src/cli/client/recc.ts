import { type EnvironmentTool, instanceName } from './tool.ts'

export const recc: EnvironmentTool = {
  name: 'recc',
  place: 'your shell',
  witness: 'with RECC_LOG_LEVEL=info, `recc COMPILER ...` says "Executing action remotely", then "Action Cache hit"',
  notes: [
    'recc wants the compiler by its whole path. RECC_CACHE_ONLY=1 compiles here, and RECC_CACHE_UPLOAD_LOCAL_BUILD=1 keeps that.',
  ],
  tls: 'authority',
  sendsToken: 'over TLS',
  format: 'environment',
  variables: async ({ addresses, credentials }) => [
    {
      name: 'RECC_SERVER',
      value: addresses.scheduler.url.replace(/^grpc/, 'http'),
      why: 'what compiles; it forwards calls for the cache',
    },
    ...(addresses.scheduler.tls?.ca === undefined
      ? []
      : [
          {
            name: 'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
            value: addresses.scheduler.tls.ca,
            why: 'the authority that signed its certificate',
          },
        ]),
    ...(credentials === undefined
      ? []
      : [
          {
            name: 'RECC_ACCESS_TOKEN_PATH',
            value: await credentials.file(),
            why: 'a file with the token that the cluster requires',
          },
        ]),
    { name: 'RECC_INSTANCE', value: instanceName, why: 'the only instance of the cluster' },
  ],
}
