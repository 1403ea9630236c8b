import { consoleVolume, consoleWorkload } from './console.ts'
import { gateways, routes } from './gateways.ts'
import { networkPolicies } from './network-policy.ts'
import { type KubeObject, type ObjectFile, objectOf, partOf } from './object.ts'
import { configMapOf, serviceOf } from './pod.ts'
import { poolObjects, profileObjects } from './profile.ts'
import { publishedObjects } from './published.ts'
import type { ManifestRequest } from './request.ts'
import { type ServerConfig, serverConfigsOf } from './servers.ts'
import { casVolume, casWorkload, schedulerWorkload, workerBudget, workerWorkload } from './workloads.ts'

/** The two halves of a deployment; the second can be removed and recreated without changing any client. */
export interface Manifests {
  /** What stays: namespace, the cache's volume, Gateways with their addresses and routes. */
  readonly operations: readonly ObjectFile[]
  /** The servers. */
  readonly application: readonly ObjectFile[]
}

/** Every object of a deployment, in the order in which they are applied. */
export function manifestsOf(request: ManifestRequest): Manifests {
  const configs = serverConfigsOf(request)
  return {
    operations: [
      { name: 'namespace.yaml', objects: [namespaceOf(request)] },
      { name: 'volume.yaml', objects: [casVolume(request), ...(configs.console ? [consoleVolume(request)] : [])] },
      ...(request.pool ? [{ name: 'addresses.yaml', objects: poolObjects(request, request.pool) }] : []),
      ...(request.published ? [{ name: 'published.yaml', objects: publishedObjects(request) }] : []),
      { name: 'gateways.yaml', objects: [...profileObjects(request), ...gateways(request), ...routes(request)] },
    ],
    application: [
      { name: 'network-policy.yaml', objects: networkPolicies(request) },
      {
        name: 'cas.yaml',
        objects: [configMapOf(request, configs.cas), serviceOf(request, 'cas'), casWorkload(request, configs.cas)],
      },
      {
        name: 'scheduler.yaml',
        objects: [
          configMapOf(request, configs.scheduler),
          serviceOf(request, 'scheduler'),
          schedulerWorkload(request, configs.scheduler),
        ],
      },
      {
        name: 'worker.yaml',
        objects: [configMapOf(request, configs.worker), workerWorkload(request, configs.worker), workerBudget(request)],
      },
      ...(configs.console ? [{ name: 'console.yaml', objects: consoleObjects(request, configs.console) }] : []),
    ],
  }
}

function consoleObjects(request: ManifestRequest, config: ServerConfig): KubeObject[] {
  return [configMapOf(request, config), serviceOf(request, 'console'), consoleWorkload(request, config)]
}

/** The namespace; it refuses pods that request more rights than our servers do. */
function namespaceOf({ namespace }: ManifestRequest): KubeObject {
  const levels = ['enforce', 'audit', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted'])
  return objectOf('v1', 'Namespace', { name: namespace, labels: { ...partOf, ...Object.fromEntries(levels) } }, {})
}
