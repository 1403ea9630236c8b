import { z } from 'zod'
import { parseConfig } from '../../../config/parse.ts'
import type { GatewayProfile } from '../../options.ts'

/** What a cluster is made from, beside the template. */
export interface KindRequest {
  readonly name: string
  /** The control plane and the others. */
  readonly nodes: number
  /** The nodes' image; absent, kind's own for its release. */
  readonly image?: string
  readonly profile: GatewayProfile
  /** Ports of 127.0.0.1 that lead into the control plane's node, where containers cannot be reached. */
  readonly published: readonly Published[]
}

export interface Published {
  /** On 127.0.0.1. */
  readonly hostPort: number
  /** On the node: a Service's nodePort. */
  readonly nodePort: number
}

const template = z.looseObject({
  kind: z.literal('Cluster'),
  apiVersion: z.literal('kind.x-k8s.io/v1alpha4'),
  networking: z.looseObject({}),
  nodes: z.array(z.looseObject({ role: z.string() })).length(1),
})

/** The configuration for `kind create cluster`, as data. */
export interface KindConfig {
  readonly name: string
  readonly networking: Readonly<Record<string, unknown>>
  readonly nodes: readonly KindNode[]
  readonly [field: string]: unknown
}

export interface KindNode {
  readonly role: string
  readonly [field: string]: unknown
}

/**
 * Fills in templates/kind/cluster.yaml.
 * @param text the template's text
 * @param file its name, for errors
 * @throws Failure 'invalid' for an invalid template
 */
export function kindConfig(text: string, file: string, request: KindRequest): KindConfig {
  const base = parseConfig(text, file, template)
  const node = (role: string): KindNode => ({ role, ...(request.image !== undefined && { image: request.image }) })
  const first = { ...base.nodes[0], ...node('control-plane'), ...portMappings(request.published) }
  const others = Array.from({ length: request.nodes - 1 }, () => node('worker'))
  return {
    ...base,
    name: request.name,
    networking: { ...base.networking, ...(request.profile === 'cilium' && withoutNetwork) },
    nodes: [first, ...others],
  }
}

/** cilium is the CNI and replaces kube-proxy. */
const withoutNetwork = { disableDefaultCNI: true, kubeProxyMode: 'none' } as const

function portMappings(published: readonly Published[]): Readonly<Record<string, unknown>> {
  if (published.length === 0) return {}
  return {
    extraPortMappings: published.map(({ hostPort, nodePort }) => ({
      containerPort: nodePort,
      hostPort,
      listenAddress: '127.0.0.1',
      protocol: 'TCP',
    })),
  }
}
