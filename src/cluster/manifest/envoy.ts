import { tlsEndOf } from './client-secrets.ts'
import { type Door, doors, envoyProxyName, routeKindOf } from './gateways.ts'
import { type KubeObject, objectOf, partOf } from './object.ts'
import type { ManifestRequest } from './request.ts'

const group = 'gateway.networking.k8s.io'
const envoyApi = 'gateway.envoyproxy.io/v1alpha1'

/** The settings for Envoy Gateway (1.9) besides the Gateways and routes. */
export function envoyObjects(request: ManifestRequest): KubeObject[] {
  return [
    gatewayClass(),
    envoyProxy(request),
    ...doors.flatMap((door) => [client(request, door), backend(request, door)]),
  ]
}

function gatewayClass(): KubeObject {
  return objectOf(
    'gateway.networking.k8s.io/v1',
    'GatewayClass',
    { name: 'envoy', labels: partOf },
    { spec: { controllerName: 'gateway.envoyproxy.io/gatewayclass-controller' } },
  )
}

/**
 * Each Gateway has its own proxy. By default each requests 512 MiB, which two of them do not need and a small machine
 * does not have, and logs a line of JSON for every call, of which a build has hundreds of thousands.
 */
function envoyProxy({ namespace }: ManifestRequest): KubeObject {
  return objectOf(
    envoyApi,
    'EnvoyProxy',
    { name: envoyProxyName, namespace, labels: partOf },
    {
      spec: {
        // Merged with what the controller was installed with, like the name of Envoy's image.
        mergeType: 'StrategicMerge',
        telemetry: { accessLog: { disable: true } },
        provider: {
          type: 'Kubernetes',
          kubernetes: {
            envoyDeployment: { container: { resources: { requests: { cpu: '100m', memory: '128Mi' } } } },
          },
        },
      },
    },
  )
}

/**
 * With Envoy Gateway's 64 KiB and 32 KiB a blob of 16 MiB costs Envoy 20 ms of CPU time; with these 12, and larger ones
 * gain nothing.
 */
const windows = { initialStreamWindowSize: '1Mi', initialConnectionWindowSize: '16Mi' } as const
const connection = { bufferLimit: '1Mi' } as const
/** A client that vanished without a word holds streams no longer than two minutes. */
const tcpKeepalive = { idleTime: '60s', interval: '15s', probes: 4 } as const

const clientCalls = {
  timeout: { http: { streamIdleTimeout: '0s', requestReceivedTimeout: '0s' } },
  http2: { maxConcurrentStreams: 1024, ...windows },
  // gRPC metadata may contain underscores; by default such calls are refused.
  headers: { withUnderscoresAction: 'Allow' },
} as const
const serverCalls = {
  timeout: { http: { requestTimeout: '0s', maxStreamDuration: '0s', streamIdleTimeout: '0s' } },
  http2: windows,
  // Clients retry by themselves: only they know what can safely be repeated.
  retry: { numRetries: 0 },
} as const

/**
 * Envoy's defaults cut off quiet or long calls: 15 s for a route, 5 minutes for a stream, 100 streams on a connection,
 * an hour for bytes. An Execute call may be silent for a minute and last for hours; Bazel has hundreds of calls on a
 * connection.
 */
function client({ namespace, deployment }: ManifestRequest, { gateway }: Door): KubeObject {
  const isBytes = tlsEndOf(deployment) === 'servers'
  return objectOf(
    envoyApi,
    'ClientTrafficPolicy',
    { name: gateway, namespace, labels: partOf },
    {
      spec: {
        targetRefs: [{ group, kind: 'Gateway', name: gateway }],
        connection,
        tcpKeepalive,
        ...(isBytes ? { timeout: { tcp: { idleTimeout: '0s' } } } : clientCalls),
      },
    },
  )
}

function backend({ namespace, deployment }: ManifestRequest, { route }: Door): KubeObject {
  const kind = routeKindOf(deployment)
  return objectOf(
    envoyApi,
    'BackendTrafficPolicy',
    { name: route, namespace, labels: partOf },
    {
      spec: {
        targetRefs: [{ group, kind, name: route }],
        connection,
        tcpKeepalive,
        circuitBreaker: { maxConnections: 65_536, maxPendingRequests: 65_536, maxParallelRequests: 65_536 },
        ...(kind === 'GRPCRoute' && serverCalls),
      },
    },
  )
}
