import { addressOf, type Door, doors, gatewayPort } from './gateways.ts'
import { type KubeObject, labelsOf, objectOf } from './object.ts'
import type { ManifestRequest } from './request.ts'

/**
 * The node ports of the Gateways, when they are published. They are in the lower part of Kubernetes' range, which it
 * does not assign by itself while the rest has free ones (KEP-3668).
 */
export const nodePorts = { cache: 30_051, scheduler: 30_052 } as const

/** Offset of the port on which Envoy listens for a Gateway's port, since it may not open low ones. */
const envoyPortOffset = 10_000
const envoyNamespace = 'envoy-gateway-system'

/**
 * Services that expose the same Gateways on node ports, for machines that reach containers only through ports that
 * docker publishes.
 */
export function publishedObjects(request: ManifestRequest): KubeObject[] {
  if (!request.published) return []
  return doors.map((door) =>
    request.profile === 'cilium' ? ciliumService(request, door) : envoyService(request, door),
  )
}

function nodePortOf({ server }: Door): number {
  return server === 'cas' ? nodePorts.cache : nodePorts.scheduler
}

/** Envoy Gateway gives each Gateway its own proxies, in its own namespace, with these labels. */
function envoyService({ namespace, deployment }: ManifestRequest, door: Door): KubeObject {
  const port = gatewayPort(deployment)
  return objectOf(
    'v1',
    'Service',
    { name: `${namespace}-${door.gateway}-published`, namespace: envoyNamespace, labels: labelsOf(door.gateway) },
    {
      spec: {
        type: 'NodePort',
        selector: {
          'app.kubernetes.io/component': 'proxy',
          'gateway.envoyproxy.io/owning-gateway-name': door.gateway,
          'gateway.envoyproxy.io/owning-gateway-namespace': namespace,
        },
        ports: [{ name: 'grpc', port, targetPort: port + envoyPortOffset, nodePort: nodePortOf(door) }],
      },
    },
  )
}

/**
 * The Service that cilium makes for a Gateway, created before cilium does. cilium overwrites the specification without
 * a node port, and for an unchanged port the API server keeps the previous one (patchAllocatedValues of kubernetes'
 * Service registry). A separate Service of ours would not work: cilium's proxy is not a pod that could be selected, and
 * only accepts what comes to this Service.
 */
function ciliumService({ namespace, pool, deployment }: ManifestRequest, door: Door): KubeObject {
  const address = pool && addressOf(door, pool)
  const port = gatewayPort(deployment)
  return objectOf(
    'v1',
    'Service',
    {
      name: `cilium-gateway-${door.gateway}`,
      namespace,
      labels: labelsOf(door.gateway),
      ...(address !== undefined && { annotations: { 'io.cilium/lb-ipam-ips': address } }),
    },
    {
      spec: {
        type: 'LoadBalancer',
        ports: [{ name: `port-${port}`, port, protocol: 'TCP', nodePort: nodePortOf(door) }],
      },
    },
  )
}
