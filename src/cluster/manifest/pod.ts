import { memoryEnvironment } from '../../config/environment.ts'
import type { Role } from '../../config/servers.ts'
import { clientSettingsOf, type MountedSecret } from './client-secrets.ts'
import { type KubeObject, labelsOf, objectOf, selectorOf } from './object.ts'
import type { ManifestRequest } from './request.ts'
import { secretMount, secretVolume } from './secret.ts'
import { dataFolder, ports, type ServerConfig } from './servers.ts'

/** The user that our images specify; volumes are given to its group. */
const userId = 65_532
const configFolder = '/etc/native'
/** Changes of a Service's endpoints reach everybody within this time; a server keeps serving this long. */
const leaveSeconds = 2
/** At start the index of a large cache may have to be read. */
const startSecondsMax = 300

/** The annotation that distinguishes pods of one form from another's. */
export const fingerprintKey = 'native/fingerprint'

/** Node needs these where /etc/passwd does not know the user and somebody else's image does not set them. */
const home = [
  { name: 'HOME', value: '/tmp' },
  { name: 'SHELL', value: '/bin/sh' },
] as const

const memory = Object.entries(memoryEnvironment).map(([name, value]) => ({ name, value }))

export interface PodOptions {
  readonly config: ServerConfig
  readonly image: string
  /** The volume for the server's data. */
  readonly data: Readonly<Record<string, unknown>>
  readonly resources: Resources
  /** Replaces the health check in liveness and start-up. */
  readonly alive?: Readonly<Record<string, unknown>>
  readonly env?: readonly Readonly<Record<string, unknown>>[]
  /** What it mounts besides the Secret that all servers share. */
  readonly secrets?: readonly MountedSecret[]
  /** Its port speaks TLS, so a kubelet asks for its health over HTTP, beside the metrics. */
  readonly speaksTls?: boolean
}

/** Kubernetes quantities. */
export interface Resources {
  readonly requests: Readonly<Record<'cpu' | 'memory', string>>
  readonly limits: Readonly<Record<'cpu' | 'memory', string>>
}

/** The pod template of a server, within the "restricted" Pod Security Standard. */
export function podTemplate(options: PodOptions): Readonly<Record<string, unknown>> {
  const { config, data } = options
  const { role } = config
  return {
    metadata: {
      labels: labelsOf(role),
      annotations: {
        // Another configuration restarts the pods; a ConfigMap alone would not.
        [fingerprintKey]: config.fingerprint,
        'prometheus.io/scrape': 'true',
        'prometheus.io/port': String(ports.metrics),
      },
    },
    spec: {
      // No server talks to Kubernetes, and no action may.
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: config.graceSeconds + leaveSeconds,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: userId,
        runAsGroup: userId,
        fsGroup: userId,
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [containerOf(role, options)],
      volumes: [
        { name: 'config', configMap: { name: configName(role) } },
        { name: 'data', ...data },
        { name: 'tmp', emptyDir: {} },
        secretVolume,
        ...(options.secrets ?? []).map(({ volume }) => volume),
      ],
    },
  }
}

function containerOf(role: Role, options: PodOptions): Readonly<Record<string, unknown>> {
  const ready = options.speaksTls ? { httpGet: { path: '/healthz', port: 'metrics' } } : { grpc: { port: ports[role] } }
  const alive = options.alive ?? ready
  return {
    name: role,
    image: options.image,
    imagePullPolicy: 'IfNotPresent',
    args: ['serve', role, '--config', `${configFolder}/${role}.yaml`],
    env: [...home, ...memory, ...(options.env ?? [])],
    ports: [
      { name: 'grpc', containerPort: ports[role] },
      { name: 'metrics', containerPort: ports.metrics },
    ],
    resources: options.resources,
    startupProbe: { ...alive, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: startSecondsMax },
    readinessProbe: { ...ready, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 },
    // A busy node answers late: only a server that is silent for a minute is restarted.
    livenessProbe: { ...alive, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    lifecycle: { preStop: { sleep: { seconds: leaveSeconds } } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'config', mountPath: configFolder, readOnly: true },
      { name: 'data', mountPath: dataFolder },
      { name: 'tmp', mountPath: '/tmp' },
      secretMount,
      ...(options.secrets ?? []).map(({ mount }) => mount),
    ],
    // A dying server's last output appears in the pod's status.
    terminationMessagePolicy: 'FallbackToLogsOnError',
  }
}

/** The configuration of a server as the pods read it. */
export function configMapOf({ namespace }: ManifestRequest, { role, text }: ServerConfig): KubeObject {
  return objectOf(
    'v1',
    'ConfigMap',
    { name: configName(role), namespace, labels: labelsOf(role) },
    { data: { [`${role}.yaml`]: text } },
  )
}

/** How other servers, and a gateway, reach a server. */
export function serviceOf({ namespace, deployment }: ManifestRequest, role: Role): KubeObject {
  const isPlain = clientSettingsOf(role, deployment)['tls'] === undefined
  return objectOf(
    'v1',
    'Service',
    { name: role, namespace, labels: labelsOf(role) },
    {
      spec: {
        selector: selectorOf(role),
        ports: [
          {
            name: 'grpc',
            port: ports[role],
            targetPort: 'grpc',
            // GEP-1911: tells a gateway that this port speaks HTTP/2 without TLS.
            ...(isPlain && { appProtocol: 'kubernetes.io/h2c' }),
          },
          { name: 'metrics', port: ports.metrics, targetPort: 'metrics' },
        ],
      },
    },
  )
}

function configName(role: Role): string {
  return `${role}-config`
}
