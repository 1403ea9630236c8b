import { doors } from './gateways.ts'
import { type KubeObject, objectOf, partOf } from './object.ts'
import type { AddressPool } from './pool.ts'
import type { ManifestRequest } from './request.ts'

/**
 * What only this profile's controllers know. cilium takes the settings of long streams from its
 * own configuration (templates/kubernetes/cilium-values.yaml): nothing to say here.
 */
export function profileObjects(request: ManifestRequest): KubeObject[] {
  if (request.profile === 'cilium') return []
  return [gatewayClass(), ...doors.flatMap(({ gateway, route }) => envoyPolicies(request, gateway, route))]
}

/** The addresses that Gateways are given, and who answers for them on the docker network. */
export function poolObjects({ profile }: ManifestRequest, pool: AddressPool): KubeObject[] {
  const name = 'native'
  if (profile === 'cilium')
    return [
      objectOf(
        'cilium.io/v2',
        'CiliumLoadBalancerIPPool',
        { name, labels: partOf },
        {
          spec: { blocks: [{ cidr: pool.cidr }] },
        },
      ),
      objectOf(
        'cilium.io/v2alpha1',
        'CiliumL2AnnouncementPolicy',
        { name, labels: partOf },
        {
          // No node is left out: on a cluster of one node that is the control plane.
          spec: { loadBalancerIPs: true, interfaces: ['^eth0$'] },
        },
      ),
    ]
  const metadata = { name, namespace: 'metallb-system', labels: partOf }
  return [
    // Two addresses are ours; a Service that asks for any shall not get one of them before.
    objectOf('metallb.io/v1beta1', 'IPAddressPool', metadata, { spec: { addresses: [pool.cidr], autoAssign: true } }),
    objectOf('metallb.io/v1beta1', 'L2Advertisement', metadata, { spec: { ipAddressPools: [name] } }),
  ]
}

function gatewayClass(): KubeObject {
  return objectOf(
    'gateway.networking.k8s.io/v1',
    'GatewayClass',
    { name: 'envoy', labels: partOf },
    {
      spec: { controllerName: 'gateway.envoyproxy.io/gatewayclass-controller' },
    },
  )
}

/**
 * Envoy's defaults end what is quiet or long: 15 s for a route, 5 minutes for a stream, 100
 * streams on a connection, 64 KiB in flight. An Execute call may be silent for a minute and last
 * for hours; Bazel has hundreds of calls on a connection.
 */
function envoyPolicies({ namespace }: ManifestRequest, gateway: string, route: string): KubeObject[] {
  const windows = { initialStreamWindowSize: '1Mi', initialConnectionWindowSize: '16Mi' }
  const group = 'gateway.networking.k8s.io'
  const policyApi = 'gateway.envoyproxy.io/v1alpha1'
  return [
    objectOf(
      policyApi,
      'ClientTrafficPolicy',
      { name: gateway, namespace, labels: partOf },
      {
        spec: {
          targetRefs: [{ group, kind: 'Gateway', name: gateway }],
          timeout: { http: { streamIdleTimeout: '0s', requestReceivedTimeout: '0s' } },
          http2: { maxConcurrentStreams: 1024, ...windows },
          connection: { bufferLimit: '1Mi' },
          // A client that vanished without a word holds its streams no longer than this.
          tcpKeepalive: { idleTime: '60s', interval: '15s', probes: 4 },
        },
      },
    ),
    objectOf(
      policyApi,
      'BackendTrafficPolicy',
      { name: route, namespace, labels: partOf },
      {
        spec: {
          targetRefs: [{ group, kind: 'GRPCRoute', name: route }],
          timeout: { http: { requestTimeout: '0s', maxStreamDuration: '0s', streamIdleTimeout: '0s' } },
          http2: windows,
          connection: { bufferLimit: '1Mi' },
          circuitBreaker: { maxConnections: 65_536, maxPendingRequests: 65_536, maxParallelRequests: 65_536 },
          // Clients retry by themselves: only they know what may be said twice.
          retry: { numRetries: 0 },
        },
      },
    ),
  ]
}
