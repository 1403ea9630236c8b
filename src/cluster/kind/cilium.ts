import { z } from 'zod'
import { parseConfig } from '../../config/load.ts'

const values = z.looseObject({ kubeProxyReplacement: z.literal(true), k8sServicePort: z.number() })

/**
 * Fills templates/kubernetes/cilium-values.yaml in: without kube-proxy there is no Service address
 * of the API server before cilium runs, so that it is told the node.
 * @throws Failure 'invalid' for a template that is none
 */
export function ciliumValues(text: string, file: string, cluster: string): Readonly<Record<string, unknown>> {
  return { ...parseConfig(text, file, values), k8sServiceHost: `${cluster}-control-plane` }
}
