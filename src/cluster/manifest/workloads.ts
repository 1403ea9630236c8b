import { claimOf } from './claim.ts'
import { clientSecretsOf, tlsEndOf } from './client-secrets.ts'
import { type KubeObject, labelsOf, objectOf, selectorOf } from './object.ts'
import { podTemplate } from './pod.ts'
import type { ManifestRequest } from './request.ts'
import { cacheBytes, type ServerConfig, slotsOf } from './servers.ts'

/** The claim for the cache's data. */
const casClaim = 'cas-data'

/** Margin over the size of the cache: for the index's snapshots, and segments that are being emptied. */
const claimMargin = 1.2
/**
 * Per slot: so little that several workers fit beside a control plane on two CPUs; they use whatever is free anyway.
 */
const workerMillicpus = 50
/** The server's own Node process, plus a compiler or a linker per slot. */
const workerMebibytes = { base: 256, slot: 1536 } as const

/** The cache: one pod, since two cannot share a volume. */
export function casWorkload(request: ManifestRequest, config: ServerConfig): KubeObject {
  return objectOf('apps/v1', 'StatefulSet', metadataOf(request, 'cas'), {
    spec: {
      replicas: 1,
      serviceName: 'cas',
      selector: { matchLabels: selectorOf('cas') },
      template: podTemplate({
        config,
        image: request.images.server,
        secrets: clientSecretsOf('cas', request.deployment),
        speaksTls: tlsEndOf(request.deployment) === 'servers',
        data: { persistentVolumeClaim: { claimName: casClaim } },
        resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { cpu: '4', memory: '2Gi' } },
      }),
    },
  })
}

/** The volume of the cache. Its size follows the first deployment: most classes cannot grow one. */
export function casVolume(request: ManifestRequest): KubeObject {
  return claimOf({ ...metadataOf(request, 'cas'), name: casClaim }, cacheBytes(request) * claimMargin)
}

/** The scheduler: never two at once, since each would have half of the workers. */
export function schedulerWorkload(request: ManifestRequest, config: ServerConfig): KubeObject {
  return objectOf('apps/v1', 'Deployment', metadataOf(request, 'scheduler'), {
    spec: {
      replicas: 1,
      strategy: { type: 'Recreate' },
      selector: { matchLabels: selectorOf('scheduler') },
      template: podTemplate({
        config,
        image: request.images.server,
        secrets: clientSecretsOf('scheduler', request.deployment),
        speaksTls: tlsEndOf(request.deployment) === 'servers',
        data: { emptyDir: {} },
        resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '2', memory: '1Gi' } },
      }),
    },
  })
}

/** The workers. They may be scaled by hand or by an autoscaler as well: none depends on how many there are. */
export function workerWorkload(request: ManifestRequest, config: ServerConfig): KubeObject {
  const slots = slotsOf(request)
  return objectOf('apps/v1', 'Deployment', metadataOf(request, 'worker'), {
    spec: {
      replicas: request.deployment.workers ?? 1,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      selector: { matchLabels: selectorOf('worker') },
      template: podTemplate({
        config,
        image: request.images.worker,
        secrets: clientSecretsOf('worker', request.deployment),
        data: { emptyDir: {} },
        // A scheduler that is away makes a worker unready, but is no reason to kill the worker with its actions.
        alive: { httpGet: { path: '/metrics', port: 'metrics' } },
        env: [{ name: 'NATIVE_WORKER_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
        resources: {
          requests: { cpu: `${workerMillicpus * slots}m`, memory: `${workerMebibytes.base + 128 * slots}Mi` },
          limits: { cpu: String(slots + 1), memory: `${workerMebibytes.base + workerMebibytes.slot * slots}Mi` },
        },
      }),
    },
  })
}

/**
 * Nodes are drained one worker at a time. Cache and scheduler have no budget: with one replica it would either forbid
 * nothing or keep the node from ever being drained.
 */
export function workerBudget(request: ManifestRequest): KubeObject {
  return objectOf('policy/v1', 'PodDisruptionBudget', metadataOf(request, 'worker'), {
    spec: {
      maxUnavailable: 1,
      // A worker that is not ready runs nothing that could be lost.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: { matchLabels: selectorOf('worker') },
    },
  })
}

function metadataOf({ namespace }: ManifestRequest, server: string) {
  return { name: server, namespace, labels: labelsOf(server) }
}
