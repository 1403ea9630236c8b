import type { Endpoint } from '../../cluster/addresses.ts'
import { type EnvironmentTool, instanceName, type Variable, withPort } from './tool.ts'

export const siso: EnvironmentTool = {
  name: 'siso',
  place: 'your shell',
  witness: '`siso ninja` counts "remote" steps behind "build finished", and "cache" the second time',
  notes: ["The build's own main.star decides what runs remotely."],
  tls: 'certificate',
  sendsToken: 'over TLS',
  format: 'environment',
  variables: async ({ addresses, helper }) => [
    {
      name: 'SISO_REAPI_ADDRESS',
      value: withPort(addresses.scheduler.address),
      why: 'what runs steps; it forwards calls for the cache',
    },
    { name: 'SISO_REAPI_INSTANCE', value: instanceName, why: 'the only instance of the cluster' },
    ...(addresses.scheduler.url.startsWith('grpcs://')
      ? await secured(addresses.scheduler, helper)
      : [{ name: 'RBE_service_no_security', value: 'true', why: 'without TLS' }]),
  ],
}

async function secured({ tls = {} }: Endpoint, helper: () => Promise<string>): Promise<Variable[]> {
  const files: readonly (readonly [string, string | undefined, string])[] = [
    ['RBE_tls_ca_cert', tls.ca, 'the authority that signed its certificate'],
    ['RBE_tls_client_auth_cert', tls.cert, 'the client certificate'],
    ['RBE_tls_client_auth_key', tls.key, 'and its key'],
  ]
  const named = files.flatMap(([name, value, why]) => (value === undefined ? [] : [{ name, value, why }]))
  const why = "where siso gets a token if the cluster requires one; without this it wants Google's"
  return [...named, { name: 'SISO_CREDENTIAL_HELPER', value: await helper(), why }]
}
