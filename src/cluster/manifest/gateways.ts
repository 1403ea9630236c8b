import { type Deployment, hasConsole } from '../../config/deployment.ts'
import type { GatewayProfile } from '../options.ts'
import { certificateName, speaksTls, tlsEndOf } from './client-secrets.ts'
import { consoleServices } from './console.ts'
import { type KubeObject, objectOf, partOf } from './object.ts'
import type { AddressPool } from './pool.ts'
import type { ManifestRequest } from './request.ts'
import { ports } from './servers.ts'

/** A Gateway of the cluster, and the server behind it; clients know it by this name. */
export interface Door {
  readonly gateway: 'cache-gateway' | 'scheduler-gateway'
  readonly route: 'cache-route' | 'scheduler-route'
  readonly server: 'cas' | 'scheduler'
}

export const doors: readonly Door[] = [
  { gateway: 'cache-gateway', route: 'cache-route', server: 'cas' },
  { gateway: 'scheduler-gateway', route: 'scheduler-route', server: 'scheduler' },
]

/** The settings of Envoy Gateway's proxies, which its Gateways name (envoy.ts). */
export const envoyProxyName = 'native'

const gatewayApi = 'gateway.networking.k8s.io/v1'

/**
 * A Gateway's controller-specific settings: its address, and the settings of its proxy. cilium uses the Gateway's own
 * field and warns about the annotation; Envoy Gateway turns that field into external addresses, which MetalLB does not
 * announce.
 */
function fieldsOf(profile: GatewayProfile, address: string | undefined): Readonly<Record<string, unknown>> {
  if (profile === 'cilium') return address === undefined ? {} : { addresses: [{ type: 'IPAddress', value: address }] }
  return {
    infrastructure: {
      ...(address !== undefined && { annotations: { 'metallb.io/loadBalancerIPs': address } }),
      parametersRef: { group: 'gateway.envoyproxy.io', kind: 'EnvoyProxy', name: envoyProxyName },
    },
  }
}

/**
 * The Gateways: one for each server, so that clients can be given either alone. Where the pool is ours, each has a
 * fixed address from it, which survives even `down` and `up`.
 */
export function gateways(request: ManifestRequest): KubeObject[] {
  return doors.map((door) =>
    objectOf(
      gatewayApi,
      'Gateway',
      { name: door.gateway, namespace: request.namespace, labels: partOf },
      {
        spec: {
          gatewayClassName: request.profile,
          ...fieldsOf(request.profile, request.pool && addressOf(door, request.pool)),
          listeners: [listenerOf(request.deployment)],
        },
      },
    ),
  )
}

/** The port of a Gateway that clients call. */
export function gatewayPort(deployment: Deployment): number {
  return speaksTls(deployment) ? 443 : 80
}

/**
 * TLS that ends in the servers is passed on as bytes (TCP). A listener for TLS would choose the route by the server's
 * name, which TLS does not send for an address, and clients know a Gateway by its address.
 */
function listenerOf(deployment: Deployment): Readonly<Record<string, unknown>> {
  const common = {
    port: gatewayPort(deployment),
    allowedRoutes: {
      namespaces: { from: 'Same' },
      kinds: [{ group: 'gateway.networking.k8s.io', kind: routeKindOf(deployment) }],
    },
  }
  const certificateRefs = [{ kind: 'Secret', name: certificateName }]
  return {
    nowhere: { name: 'grpc', protocol: 'HTTP', ...common },
    gateways: { name: 'grpcs', protocol: 'HTTPS', tls: { mode: 'Terminate', certificateRefs }, ...common },
    servers: { name: 'bytes', protocol: 'TCP', ...common },
  }[tlsEndOf(deployment)]
}

/** Which routes lead from the Gateways to the servers. */
export type RouteKind = 'GRPCRoute' | 'TCPRoute'

export function routeKindOf(deployment: Deployment): RouteKind {
  return tlsEndOf(deployment) === 'servers' ? 'TCPRoute' : 'GRPCRoute'
}

/** Its routes, to remove them. */
export function routeKeys({ namespace, deployment }: Pick<ManifestRequest, 'namespace' | 'deployment'>) {
  const kind = routeKindOf(deployment)
  return doors.map(({ route }) => ({ apiVersion: gatewayApi, kind, metadata: { name: route, namespace } }))
}

/**
 * From each Gateway everything goes to its server; the console, which has no Gateway, is behind that of the cache,
 * unless what passes there is encrypted.
 */
export function routes({ namespace, deployment }: ManifestRequest): KubeObject[] {
  const kind = routeKindOf(deployment)
  return doors.map(({ gateway, route, server }) =>
    objectOf(
      gatewayApi,
      kind,
      { name: route, namespace, labels: partOf },
      {
        spec: {
          parentRefs: [{ name: gateway }],
          rules: [
            ...(kind === 'GRPCRoute' && server === 'cas' && hasConsole(deployment) ? [toConsole] : []),
            { backendRefs: [{ name: server, port: ports[server] }] },
          ],
        },
      },
    ),
  )
}

const toConsole = {
  matches: consoleServices.map((service) => ({ method: { type: 'Exact', service } })),
  backendRefs: [{ name: 'console', port: ports.console }],
} as const

/** The address of a door in our pool. */
export function addressOf({ server }: Door, pool: AddressPool): string {
  return server === 'cas' ? pool.cache : pool.scheduler
}
