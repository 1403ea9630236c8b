import { consoleConfig } from '../../config/console.ts'
import type { Deployment } from '../../config/deployment.ts'
import { claimOf } from './claim.ts'
import { clientSecretsOf } from './client-secrets.ts'
import { type KubeObject, labelsOf, objectOf, selectorOf } from './object.ts'
import { podTemplate } from './pod.ts'
import type { ManifestRequest } from './request.ts'
import type { ServerConfig } from './servers.ts'

/**
 * What records the builds of a cluster: one pod, to which the cache and the scheduler report, and which is queried
 * through the cache's Gateway.
 */

/** The gRPC services that only the console has: calls of these are routed to it. */
export const consoleServices = ['native.console.v1.History', 'google.devtools.build.v1.PublishBuildEvent'] as const

/** The claim for the history. */
const consoleClaim = 'console-data'

/** Margin over the size of the history: for the database's log, and room to work in. */
const claimMargin = 1.5

/** The volume of the history. Like that of the cache, its size follows the first deployment. */
export function consoleVolume(request: ManifestRequest): KubeObject {
  return claimOf({ ...metadataOf(request), name: consoleClaim }, historyBytes(request.deployment) * claimMargin)
}

/** The console: never two at once, since they cannot share a database. */
export function consoleWorkload(request: ManifestRequest, config: ServerConfig): KubeObject {
  return objectOf('apps/v1', 'Deployment', metadataOf(request), {
    spec: {
      replicas: 1,
      strategy: { type: 'Recreate' },
      selector: { matchLabels: selectorOf('console') },
      template: podTemplate({
        config,
        image: request.images.server,
        secrets: clientSecretsOf('console', request.deployment),
        data: { persistentVolumeClaim: { claimName: consoleClaim } },
        resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { cpu: '2', memory: '1Gi' } },
      }),
    },
  })
}

/** The application's objects that a deployment without a console lacks. */
export function consoleKeys({ namespace }: Pick<ManifestRequest, 'namespace'>) {
  const metadata = { name: 'console', namespace }
  return [
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata },
    { apiVersion: 'v1', kind: 'Service', metadata },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'console-config', namespace } },
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata },
  ] as const
}

/** The maximum size of the history, in bytes. */
function historyBytes({ console }: Deployment): number {
  const settings = typeof console === 'object' ? console['history'] : undefined
  return consoleConfig.shape.history.parse(settings).size
}

function metadataOf({ namespace }: ManifestRequest) {
  return { name: 'console', namespace, labels: labelsOf('console') }
}
