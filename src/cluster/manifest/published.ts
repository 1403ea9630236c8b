import { addressOf, type Door, doors, gatewayPort } from './gateways.ts'
import { type KubeObject, labelsOf, objectOf } from './object.ts'
import type { ManifestRequest } from './request.ts'

/**
 * The ports of a node behind which the Gateways are, when they are published. They are of the lower
 * part of Kubernetes' range, which it never gives away by itself while the rest has some (KEP-3668).
 */
export const nodePorts = { cache: 30_051, scheduler: 30_052 } as const

/** Where Envoy listens for a port of a Gateway: it may not open low ones, so this is added. */
const envoyPortOffset = 10_000
const envoyNamespace = 'envoy-gateway-system'

/**
 * Services that bring the same Gateways to ports of a node, for machines that reach containers only
 * through ports that docker publishes.
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

/** Envoy Gateway gives each Gateway proxies of its own, in its own namespace, and labels them so. */
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
 * The Service that cilium makes for a Gateway, made before it does. cilium writes its own specification
 * over it without a node port, and for a port that stays the API server keeps the one that was there
 * (patchAllocatedValues of kubernetes' Service registry). A Service of ours beside it would not do:
 * cilium's proxy is not a pod that one could select, and takes what comes to this Service alone.
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
