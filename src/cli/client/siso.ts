import { type EnvironmentTool, instanceName, isSecure, withPort } from './tool.ts'

export const siso: EnvironmentTool = {
  name: 'siso',
  place: 'your shell',
  witness: 'the last line of `siso ninja` counts "remote" and "cache" steps',
  notes: ["What runs remotely is said by the build's own main.star, not here."],
  tls: 'system',
  format: 'environment',
  variables: ({ addresses }) => [
    {
      name: 'SISO_REAPI_ADDRESS',
      value: withPort(addresses.scheduler.address),
      why: 'who runs steps; it passes calls for the cache on',
    },
    { name: 'SISO_REAPI_INSTANCE', value: instanceName, why: 'the one instance that the cluster has' },
    ...(isSecure(addresses) ? [] : [{ name: 'RBE_service_no_security', value: 'true', why: 'without TLS' }]),
  ],
}
