import type { Endpoint } from '../../cluster/addresses.ts'
import { type EnvironmentTool, instanceName, type Variable, withPort } from './tool.ts'

export const reclient: EnvironmentTool = {
  name: 'reclient',
  place: 'your shell, before reproxy starts',
  witness: '`reproxystatus` counts actions by "remote execution" and "cache hit"',
  tls: 'certificate',
  format: 'environment',
  variables: ({ addresses }) => [
    {
      name: 'RBE_service',
      value: withPort(addresses.scheduler.address),
      why: 'what runs actions; it forwards calls for the cache',
    },
    { name: 'RBE_instance', value: instanceName, why: 'the only instance of the cluster' },
    ...securityOf(addresses.scheduler),
    { name: 'RBE_service_no_auth', value: 'true', why: 'without a login' },
    { name: 'RBE_use_application_default_credentials', value: 'false', why: "and without Google's" },
    { name: 'RBE_use_rpc_credentials', value: 'false', why: 'and without credentials for each call' },
    { name: 'RBE_use_unified_uploads', value: 'true', why: 'upload once what several actions need' },
    { name: 'RBE_use_unified_downloads', value: 'true', why: 'and download it once' },
  ],
}

function securityOf({ url, tls = {} }: Endpoint): Variable[] {
  if (!url.startsWith('grpcs://')) return [{ name: 'RBE_service_no_security', value: 'true', why: 'without TLS' }]
  const { ca, cert, key } = tls
  return [
    { name: 'RBE_service_no_security', value: 'false', why: 'with TLS' },
    ...(ca === undefined
      ? []
      : [{ name: 'RBE_tls_ca_cert', value: ca, why: 'the authority that signed its certificate' }]),
    ...(cert === undefined ? [] : [{ name: 'RBE_tls_client_auth_cert', value: cert, why: 'the client certificate' }]),
    ...(key === undefined ? [] : [{ name: 'RBE_tls_client_auth_key', value: key, why: 'and its key' }]),
  ]
}
