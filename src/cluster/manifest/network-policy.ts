import { hasConsole } from '../../config/deployment.ts'
import type { GatewayProfile } from '../options.ts'
import { routeKindOf } from './gateways.ts'
import { type KubeObject, labelsOf, objectOf, partOf, selectorOf } from './object.ts'
import type { ManifestRequest } from './request.ts'
import { ports } from './servers.ts'

type Rule = Readonly<Record<string, unknown>>

/** Where the proxies run through which clients come. */
const gatewayNamespaces: Readonly<Record<GatewayProfile, string>> = {
  envoy: 'envoy-gateway-system',
  cilium: 'kube-system',
}

/**
 * Who may connect to whom: clients through the gateways, scheduler and workers to the cache, workers to the scheduler,
 * and these two with the console. An action has no other network: what it would fetch is not one of its inputs, and it
 * has no business with the cluster's API or the nodes' metadata. A kubelet's probes come from the node and are always
 * admitted.
 */
export function networkPolicies(request: ManifestRequest): KubeObject[] {
  const gateway = namespacePeer(gatewayNamespaces[request.profile])
  const scheduler = podPeer('scheduler')
  const worker = podPeer('worker')
  const there = hasConsole(request.deployment)
  const console = there ? [podPeer('console')] : []
  const telling = there ? [to('console', ports.console)] : []
  return [
    policy(
      request,
      'cas',
      [from([gateway, scheduler, worker, ...console], ports.cas), metrics],
      telling.length > 0 ? [...telling, dns] : [],
    ),
    policy(
      request,
      'scheduler',
      [from([gateway, worker, ...console], ports.scheduler), metrics],
      [to('cas', ports.cas), ...telling, dns],
    ),
    policy(request, 'worker', [metrics], [to('cas', ports.cas), to('scheduler', ports.scheduler), dns]),
    ...(there ? [consolePolicy(request, gateway)] : []),
    ...(request.profile === 'cilium' ? [ciliumIngress(request)] : []),
  ]
}

/** Cache and scheduler report to the console; it reads blobs from the former, and asks both for their status. */
function consolePolicy(request: ManifestRequest, gateway: Rule): KubeObject {
  const asking = routeKindOf(request.deployment) === 'GRPCRoute' ? [gateway] : []
  return policy(
    request,
    'console',
    [from([...asking, podPeer('cas'), podPeer('scheduler')], ports.console), metrics],
    [to('cas', ports.cas), to('cas', ports.metrics), to('scheduler', ports.scheduler), dns],
  )
}

const metrics: Rule = { from: [{ namespaceSelector: {} }], ports: [{ protocol: 'TCP', port: ports.metrics }] }

const dns: Rule = {
  to: [namespacePeer('kube-system')],
  ports: [
    { protocol: 'UDP', port: 53 },
    { protocol: 'TCP', port: 53 },
  ],
}

function policy(request: ManifestRequest, server: string, ingress: Rule[], egress: Rule[]): KubeObject {
  return objectOf(
    'networking.k8s.io/v1',
    'NetworkPolicy',
    { name: server, namespace: request.namespace, labels: labelsOf(server) },
    {
      spec: {
        podSelector: { matchLabels: selectorOf(server) },
        policyTypes: ['Ingress', 'Egress'],
        ...(ingress.length > 0 && { ingress }),
        ...(egress.length > 0 && { egress }),
      },
    },
  )
}

/** cilium's gateway is not a pod: its traffic has its own identity, which only cilium's policies can name. */
function ciliumIngress({ namespace }: ManifestRequest): KubeObject {
  const open = [ports.cas, ports.scheduler, ports.console].map((port) => ({ port: String(port), protocol: 'TCP' }))
  return objectOf(
    'cilium.io/v2',
    'CiliumNetworkPolicy',
    { name: 'gateways', namespace, labels: partOf },
    {
      spec: {
        endpointSelector: {
          matchLabels: partOf,
          matchExpressions: [
            { key: 'app.kubernetes.io/name', operator: 'In', values: ['cas', 'scheduler', 'console'] },
          ],
        },
        ingress: [{ fromEntities: ['ingress'], toPorts: [{ ports: open }] }],
      },
    },
  )
}

function from(peers: Rule[], port: number): Rule {
  return { from: peers, ports: [{ protocol: 'TCP', port }] }
}

function to(server: string, port: number): Rule {
  return { to: [podPeer(server)], ports: [{ protocol: 'TCP', port }] }
}

function podPeer(server: string): Rule {
  return { podSelector: { matchLabels: selectorOf(server) } }
}

function namespacePeer(name: string): Rule {
  return { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } }
}
