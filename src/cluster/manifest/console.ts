import { consoleConfig } from '../../config/console.ts'
import type { Deployment } from '../../config/deployment.ts'
import { asksTokens } from './client-secrets.ts'
import { type KubeObject, labelsOf, objectOf, selectorOf } from './object.ts'
import { podTemplate } from './pod.ts'
import type { ManifestRequest } from './request.ts'
import type { ServerConfig } from './servers.ts'

/** What takes down the builds of a cluster: one pod, told by the cache and the scheduler, and asked through the cache's Gateway. */

/** The gRPC services that the console has and no other server: calls of these go to it. */
export const consoleServices = ['native.console.v1.History', 'google.devtools.build.v1.PublishBuildEvent'] as const

/** The claim that the history lies on. */
export const consoleClaim = 'console-data'

/** On top of what the history may take: the log of the database, and room to work in. */
const claimMargin = 1.5
const mebibyte = 1024 * 1024

/** The volume of the history. Like that of the cache, its size follows the first deployment. */
export function consoleVolume(request: ManifestRequest): KubeObject {
  const mebibytes = Math.ceil((historyBytes(request.deployment) * claimMargin) / mebibyte)
  return objectOf(
    'v1',
    'PersistentVolumeClaim',
    { ...metadataOf(request), name: consoleClaim },
    { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: `${mebibytes}Mi` } } } },
  )
}

/** The console: never two at once, which would not share a database. */
export function consoleWorkload(request: ManifestRequest, config: ServerConfig): KubeObject {
  return objectOf('apps/v1', 'Deployment', metadataOf(request), {
    spec: {
      replicas: 1,
      strategy: { type: 'Recreate' },
      selector: { matchLabels: selectorOf('console') },
      template: podTemplate({
        config,
        image: request.images.server,
        tokens: asksTokens(request.deployment),
        data: { persistentVolumeClaim: { claimName: consoleClaim } },
        resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { cpu: '2', memory: '1Gi' } },
      }),
    },
  })
}

/** The objects of the application that a deployment without a console does not have. */
export function consoleKeys({ namespace }: Pick<ManifestRequest, 'namespace'>) {
  const metadata = { name: 'console', namespace }
  return [
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata },
    { apiVersion: 'v1', kind: 'Service', metadata },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'console-config', namespace } },
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata },
  ] as const
}

/** What the history may take, in bytes. */
function historyBytes({ console }: Deployment): number {
  const settings = typeof console === 'object' ? console['history'] : undefined
  return consoleConfig.shape.history.parse(settings).size
}

function metadataOf({ namespace }: ManifestRequest) {
  return { name: 'console', namespace, labels: labelsOf('console') }
}
