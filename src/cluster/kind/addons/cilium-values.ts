import { z } from 'zod'
import { parseConfig } from '../../../config/parse.ts'

export interface CiliumRequest {
  readonly cluster: string
  /** Images come from archives: by their names, since an archive's digests are not the registry's. */
  readonly byName: boolean
}

const branch = z.looseObject({}).default({})
const template = z.looseObject({
  kubeProxyReplacement: z.literal(true),
  k8sServicePort: z.number(),
  image: branch,
  operator: branch,
  envoy: branch,
})

/**
 * Fills in templates/kubernetes/cilium-values.yaml: without kube-proxy the API server's Service has no address before
 * cilium runs, so cilium is given the node's.
 * @param text the template's text
 * @param file its name, for errors
 * @throws Failure 'invalid' for an invalid template
 */
export function ciliumValues(
  text: string,
  file: string,
  { cluster, byName }: CiliumRequest,
): Readonly<Record<string, unknown>> {
  const base = parseConfig(text, file, template)
  const filled = { ...base, k8sServiceHost: `${cluster}-control-plane` }
  if (!byName) return filled
  const nameOnly = { useDigest: false }
  return {
    ...filled,
    image: { ...base.image, ...nameOnly },
    operator: { ...base.operator, image: nameOnly },
    envoy: { ...base.envoy, image: nameOnly },
  }
}
