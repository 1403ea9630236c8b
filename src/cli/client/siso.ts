import { type EnvironmentTool, instanceName, isSecure, withPort } from './tool.ts'

export const siso: EnvironmentTool = {
  name: 'siso',
  place: 'your shell',
  witness: 'the last line of `siso ninja` counts "remote" and "cache" steps',
  notes: ["The build's own main.star decides what runs remotely."],
  tls: 'system',
  format: 'environment',
  variables: ({ addresses }) => [
    {
      name: 'SISO_REAPI_ADDRESS',
      value: withPort(addresses.scheduler.address),
      why: 'what runs steps; it forwards calls for the cache',
    },
    { name: 'SISO_REAPI_INSTANCE', value: instanceName, why: 'the only instance of the cluster' },
    ...(isSecure(addresses) ? [] : [{ name: 'RBE_service_no_security', value: 'true', why: 'without TLS' }]),
  ],
}
