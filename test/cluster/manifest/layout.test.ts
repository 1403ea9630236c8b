import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Manifests, manifestsOf } from '../../../src/cluster/manifest/layout.ts'
import type { KubeObject } from '../../../src/cluster/manifest/object.ts'
import type { ManifestRequest } from '../../../src/cluster/manifest/request.ts'
import { type Deployment, deploymentConfig } from '../../../src/config/deployment.ts'
import { memoryEnvironment } from '../../../src/config/environment.ts'
import { parseConfig } from '../../../src/config/parse.ts'
import type { Role } from '../../../src/config/servers.ts'
import { serverConfigs } from '../../fixture/server-configs.ts'
import { plainRequest } from './request.ts'

const roles: readonly Role[] = ['cas', 'scheduler', 'worker', 'console']

function objectsOf(part: Partial<ManifestRequest> = {}): KubeObject[] {
  const { operations, application } = manifestsOf({ ...plainRequest, ...part })
  return [...operations, ...application].flatMap(({ objects }) => objects)
}

/** The one object of this kind and name, for paths into it. */
function objectOf(kind: string, name: string, part: Partial<ManifestRequest> = {}) {
  const found = objectsOf(part).filter((each) => each.kind === kind && each.metadata.name === name)
  const [only] = found
  if (!only || found.length > 1) throw new Error(`${found.length} objects are ${kind} ${name}`)
  return only
}

const kindsIn = (files: Manifests['operations']) =>
  new Set(files.flatMap(({ objects }) => objects.map(({ kind }) => kind)))

const workloads: Readonly<Record<Role, string>> = {
  cas: 'StatefulSet',
  scheduler: 'Deployment',
  worker: 'Deployment',
  console: 'Deployment',
}

interface PodTemplate {
  readonly metadata: Readonly<Record<string, unknown>>
  readonly spec: Readonly<Record<string, unknown>>
}

function podOf(role: Role, part: Partial<ManifestRequest> = {}) {
  const workload = objectOf(workloads[role], role, part)
  return (workload['spec'] as { template: PodTemplate }).template
}

function configText(role: Role, part: Partial<ManifestRequest> = {}): string {
  const data = objectOf('ConfigMap', `${role}-config`, part)['data'] as Record<string, string>
  return data[`${role}.yaml`] ?? ''
}

describe('the configuration of the servers', () => {
  it('is what the servers take, with what a user asks for', () => {
    const deployment = parseConfig(
      'slots: 3\ncache_size: 1GB\nproperties: {pool: [a, b]}\ncas: {drain: 5s, store: {durability: power}}\nscheduler: {timeout: {default: 1m}}\nworker: {cache_size: 2GB}\nconsole: {history: {size: 1MB, days: 7}}\n',
      'd.yaml',
      deploymentConfig,
    )
    const parsed = roles.map((role) => parseConfig(configText(role, { deployment }), 'c.yaml', serverConfigs[role]))
    expect(parsed).toMatchObject([
      { listen: '0.0.0.0:50051', drain: 5000, store: { path: '/var/lib/native/cas', size: 1e9, durability: 'power' } },
      { listen: '0.0.0.0:50052', cas: 'grpc://cas:50051', timeout: { default: 60_000 } },
      {
        scheduler: 'grpc://scheduler:50052',
        cas: 'grpc://cas:50051',
        slots: 3,
        cache_size: 2e9,
        properties: { OSFamily: 'linux', ISA: 'x86-64', pool: ['a', 'b'] },
      },
      { listen: '0.0.0.0:50053', cas: 'grpc://cas:50051', scheduler: 'grpc://scheduler:50052', history: { days: 7 } },
    ])
  })

  it('offers the toolchain where its digest is known', () => {
    expect(configText('worker')).toContain(`container-image: docker://example.com/tools@sha256:${'a'.repeat(64)}`)
    const images = { server: 'example.com/native:1', worker: 'example.com/tools:1' }
    expect(configText('worker', { images })).not.toContain('container-image')
  })

  it('restarts the pods that it concerns, and no others', () => {
    const prints = (deployment: Deployment, release = '1') =>
      roles.map((role) => podOf(role, { deployment, release }).metadata['annotations'])
    const [cas, scheduler, worker, console] = prints({})
    expect(prints({ workers: 5 })).toEqual([cas, scheduler, worker, console])
    expect(prints({ properties: { pool: 'a' } }).slice(0, 2)).toEqual([cas, scheduler])
    expect(prints({ properties: { pool: 'a' } })[2]).not.toEqual(worker)
    expect(prints({}, '2')[0]).not.toEqual(cas)
    for (const [at, role] of roles.entries())
      expect(podOf(role, { secretPrint: 'another' }).metadata['annotations']).not.toEqual(prints({})[at])
  })

  it('names the file of the secret that the servers share', () => {
    for (const role of roles)
      expect(parseConfig(configText(role), 'c.yaml', serverConfigs[role])).toMatchObject({
        secret: '/etc/native-secret/secret',
      })
  })
})

describe('every pod', () => {
  it.each(roles)('of %s is inside the restricted standard, with a root that cannot be written', (role) => {
    const spec = podOf(role).spec
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          resources: {
            requests: { cpu: expect.any(String), memory: expect.any(String) },
            limits: { cpu: expect.any(String), memory: expect.any(String) },
          },
        },
      ],
    })
  })

  it.each(roles)('of %s waits for the Secret that the servers share, which its group alone can read', (role) => {
    const { volumes, containers } = podOf(role).spec as { volumes: object[]; containers: [{ volumeMounts: object[] }] }
    expect(volumes).toContainEqual({ name: 'secret', secret: { secretName: 'servers-secret', defaultMode: 0o440 } })
    expect(containers[0].volumeMounts).toContainEqual({
      name: 'secret',
      mountPath: '/etc/native-secret',
      readOnly: true,
    })
  })

  it.each(roles)('of %s gives memory back as a server of processes does', (role) => {
    const [container] = podOf(role).spec['containers'] as [Record<string, unknown>]
    for (const [name, value] of Object.entries(memoryEnvironment))
      expect(container['env']).toContainEqual({ name, value })
  })

  it.each(roles)('of %s is ready by its gRPC health, and has time to drain', (role) => {
    const deployment = { [role]: { drain: '2m' } }
    const spec = podOf(role, { deployment }).spec as { containers: [Record<string, unknown>] }
    expect(spec.containers[0]['readinessProbe']).toMatchObject({ grpc: { port: expect.any(Number) } })
    expect(spec).toMatchObject({ terminationGracePeriodSeconds: 127 })
  })

  it('of a worker lives on while the scheduler is away', () => {
    const [container] = podOf('worker').spec['containers'] as [Record<string, unknown>]
    expect(container['livenessProbe']).toMatchObject({ httpGet: { path: '/metrics' } })
    const name = { name: 'NATIVE_WORKER_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }
    expect(container['env']).toContainEqual(name)
  })
})

it('holds no Secret: its value would be in every file, and another in each', () => {
  expect(objectsOf().filter(({ kind }) => kind === 'Secret')).toEqual([])
})

describe('the console', () => {
  it('is told by the cache and the scheduler, and asked through the Gateway of the cache', () => {
    for (const role of ['cas', 'scheduler'] as const)
      expect(configText(role)).toContain('console: grpc://console:50053')
    const { rules } = objectOf('GRPCRoute', 'cache-route')['spec'] as { rules: object[] }
    expect(rules).toEqual([
      {
        matches: [
          { method: { type: 'Exact', service: 'native.console.v1.History' } },
          { method: { type: 'Exact', service: 'google.devtools.build.v1.PublishBuildEvent' } },
        ],
        backendRefs: [{ name: 'console', port: 50_053 }],
      },
      { backendRefs: [{ name: 'cas', port: 50_051 }] },
    ])
    expect(objectOf('NetworkPolicy', 'cas')['spec']).toHaveProperty('egress')
  })

  it('has a volume that its history fits into', () => {
    const storage = (part: Partial<ManifestRequest> = {}) =>
      (
        objectOf('PersistentVolumeClaim', 'console-data', part)['spec'] as {
          resources: { requests: { storage: string } }
        }
      ).resources.requests.storage
    expect(storage()).toBe('1431Mi')
    expect(storage({ deployment: { console: { history: { size: '10GB' } } } })).toBe('14306Mi')
  })

  it('leaves nothing behind where none is wanted', () => {
    const deployment = { console: false }
    expect(
      JSON.stringify(objectsOf({ deployment }).filter(({ kind }) => kind !== 'CiliumNetworkPolicy')),
    ).not.toContain('console')
    expect(JSON.stringify(objectsOf())).toContain('console')
  })
})

describe('what stays while the application comes and goes', () => {
  it('is the namespace, the volume, the Gateways and their addresses and routes', () => {
    const { operations, application } = manifestsOf(plainRequest)
    const staying = kindsIn(operations)
    for (const kind of ['Namespace', 'PersistentVolumeClaim', 'Gateway', 'GRPCRoute', 'IPAddressPool'])
      expect(staying).toContain(kind)
    expect([...staying].filter((kind) => kindsIn(application).has(kind))).toEqual([])
  })

  it('does not change with the deployment', () => {
    const deployment = { workers: 9, slots: 4, properties: { pool: 'a' } }
    const { operations } = manifestsOf({ ...plainRequest, deployment, release: '2' })
    expect(operations).toEqual(manifestsOf(plainRequest).operations)
  })

  it('is two Gateways on port 80, each with its address and its server behind it', () => {
    for (const [name, address, server, port] of [
      ['cache', '172.20.255.4', 'cas', 50_051],
      ['scheduler', '172.20.255.5', 'scheduler', 50_052],
    ] as const) {
      const own = {
        envoy: { infrastructure: { annotations: { 'metallb.io/loadBalancerIPs': address } } },
        cilium: { addresses: [{ type: 'IPAddress', value: address }] },
      } as const
      for (const profile of ['envoy', 'cilium'] as const)
        expect(objectOf('Gateway', `${name}-gateway`, { profile })['spec']).toMatchObject({
          gatewayClassName: profile,
          listeners: [{ port: 80, protocol: 'HTTP' }],
          ...own[profile],
        })
      expect(objectOf('GRPCRoute', `${name}-route`)['spec']).toMatchObject({
        parentRefs: [{ name: `${name}-gateway` }],
        rules: expect.arrayContaining([{ backendRefs: [{ name: server, port }] }]),
      })
      expect(objectOf('Service', server)['spec']).toMatchObject({
        ports: [{ port, appProtocol: 'kubernetes.io/h2c' }, { port: 9090 }],
      })
    }
  })

  it('lets a stream last and be silent (envoy)', () => {
    for (const name of ['cache', 'scheduler']) {
      expect(objectOf('BackendTrafficPolicy', `${name}-route`)['spec']).toMatchObject({
        timeout: { http: { requestTimeout: '0s', maxStreamDuration: '0s' } },
        circuitBreaker: { maxParallelRequests: 65_536 },
        retry: { numRetries: 0 },
      })
      expect(objectOf('ClientTrafficPolicy', `${name}-gateway`)['spec']).toMatchObject({
        timeout: { http: { streamIdleTimeout: '0s' } },
        http2: { maxConcurrentStreams: 1024, initialStreamWindowSize: '1Mi', initialConnectionWindowSize: '16Mi' },
        headers: { withUnderscoresAction: 'Allow' },
      })
    }
  })

  it('has proxies that a small machine can carry, and that write no line for each call (envoy)', () => {
    expect(objectOf('EnvoyProxy', 'native')['spec']).toMatchObject({
      mergeType: 'StrategicMerge',
      telemetry: { accessLog: { disable: true } },
      provider: {
        kubernetes: { envoyDeployment: { container: { resources: { requests: { memory: '128Mi' } } } } },
      },
    })
    for (const name of ['cache', 'scheduler'])
      for (const pool of [plainRequest.pool, undefined]) {
        const { pool: _, ...rest } = plainRequest
        const { operations } = manifestsOf({ ...rest, ...(pool && { pool }) })
        const objects = operations.flatMap((each) => each.objects)
        const found = objects.find(({ kind, metadata }) => kind === 'Gateway' && metadata.name === `${name}-gateway`)
        expect(found?.['spec']).toMatchObject({
          infrastructure: { parametersRef: { group: 'gateway.envoyproxy.io', kind: 'EnvoyProxy', name: 'native' } },
        })
      }
  })

  it('is reached through fixed ports of a node as well, where it is published', () => {
    const published = true
    expect(objectOf('Service', 'native-cache-gateway-published', { published })).toMatchObject({
      metadata: { namespace: 'envoy-gateway-system' },
      spec: {
        type: 'NodePort',
        selector: {
          'gateway.envoyproxy.io/owning-gateway-name': 'cache-gateway',
          'gateway.envoyproxy.io/owning-gateway-namespace': 'native',
        },
        ports: [{ targetPort: 10_080, nodePort: 30_051 }],
      },
    })
    expect(objectOf('Service', 'cilium-gateway-scheduler-gateway', { published, profile: 'cilium' })).toMatchObject({
      metadata: { namespace: 'native', annotations: { 'io.cilium/lb-ipam-ips': '172.20.255.5' } },
      spec: { type: 'LoadBalancer', ports: [{ port: 80, nodePort: 30_052 }] },
    })
    for (const profile of ['envoy', 'cilium'] as const)
      expect(objectsOf({ profile }).filter(({ kind }) => kind === 'Service')).toHaveLength(3)
  })

  it('gives the pool out in the way of its profile', () => {
    expect(objectOf('IPAddressPool', 'native')['spec']).toMatchObject({ addresses: ['172.20.255.0/28'] })
    const profile = 'cilium'
    expect(objectOf('CiliumLoadBalancerIPPool', 'native', { profile })['spec']).toEqual({
      blocks: [{ cidr: '172.20.255.0/28' }],
    })
    expect(objectOf('CiliumL2AnnouncementPolicy', 'native', { profile })['spec']).toMatchObject({
      loadBalancerIPs: true,
    })
  })
})

describe('who may come in', () => {
  const deployment: Deployment = { tls: 'auto', access: 'team' }

  it.each(['envoy', 'cilium'] as const)('is asked by TLS at the Gateways, on port 443 alone (%s)', (profile) => {
    for (const name of ['cache-gateway', 'scheduler-gateway'])
      expect(objectOf('Gateway', name, { deployment, profile })['spec']).toMatchObject({
        listeners: [
          {
            port: 443,
            protocol: 'HTTPS',
            tls: { mode: 'Terminate', certificateRefs: [{ kind: 'Secret', name: 'gateways-certificate' }] },
          },
        ],
      })
    expect(objectsOf({ deployment, profile }).filter(({ kind }) => kind === 'Secret')).toEqual([])
  })

  it('comes by the ports of a node with TLS as well', () => {
    const part = { deployment, published: true } as const
    expect(objectOf('Service', 'native-cache-gateway-published', part)['spec']).toMatchObject({
      ports: [{ port: 443, targetPort: 10_443, nodePort: 30_051 }],
    })
    expect(objectOf('Service', 'cilium-gateway-cache-gateway', { ...part, profile: 'cilium' })['spec']).toMatchObject({
      ports: [{ name: 'port-443', port: 443, nodePort: 30_051 }],
    })
  })

  it('needs a token for cache and scheduler, which read the hashes where the Secret is mounted', () => {
    for (const role of ['cas', 'scheduler'] as const) {
      const { access } = parseConfig(configText(role, { deployment }), 'c.yaml', serverConfigs[role])
      expect(access).toMatchObject({ anonymous: 'none' })
      const { volumes, containers } = podOf(role, { deployment }).spec as {
        volumes: { name: string }[]
        containers: [{ volumeMounts: { name: string; mountPath: string }[] }]
      }
      const volume = volumes.find((each) => 'secret' in each && each.name === 'tokens')
      expect(volume).toMatchObject({ secret: { secretName: 'clients-tokens', defaultMode: 0o440 } })
      const mount = containers[0].volumeMounts.find(({ name }) => name === volume?.name)
      expect(access?.tokens).toBe(`${mount?.mountPath}/tokens.json`)
    }
  })

  it('is not told to workers, nor to anybody where no tokens are asked for', () => {
    expect(JSON.stringify(podOf('worker', { deployment }))).not.toContain('tokens')
    for (const role of roles) expect(JSON.stringify(podOf(role))).not.toContain('tokens')
    expect(configText('cas')).not.toContain('access')
  })
})

describe('who has a password, or a token of an issuer', () => {
  const issuer = { issuer: 'https://a.example.com', audience: 'native', grants: [{ role: 'reader' as const }] }
  const deployment: Deployment = {
    access: {
      htpasswd: { file: '/home/me/users', role: 'runner' },
      jwt: [{ ...issuer, jwks: '/home/me/keys.json' }],
      certificates: [],
    },
  }

  it('is known by files of a Secret, which servers mount and workers do not', () => {
    for (const role of ['cas', 'scheduler', 'console'] as const) {
      expect(parseConfig(configText(role, { deployment }), 'c.yaml', serverConfigs[role])).toMatchObject({
        access: {
          anonymous: 'none',
          htpasswd: { file: '/etc/native-access-files/htpasswd', role: 'runner' },
          jwt: [{ jwks: '/etc/native-access-files/jwks-0.json' }],
        },
      })
      const text = JSON.stringify(podOf(role, { deployment }))
      expect(text).toContain('"secretName":"clients-access"')
      expect(text).toContain('"mountPath":"/etc/native-access-files"')
    }
    expect(JSON.stringify(podOf('worker', { deployment }))).not.toContain('access')
    const without = { access: { jwt: [], certificates: [] } }
    expect(JSON.stringify(podOf('cas', { deployment: without }))).not.toContain('clients-access')
  })
})

describe('who shows a certificate', () => {
  const deployment: Deployment = {
    tls: { client_ca: '/home/me/clients.pem' },
    access: { jwt: [], certificates: [{ san: '*.ci.example.com', role: 'runner' }] },
  }
  const parsed = (role: Role) =>
    z
      .object({ tls: z.unknown(), access: z.unknown() })
      .partial()
      .loose()
      .parse(parseConfig(configText(role, { deployment }), 'c.yaml', serverConfigs[role]))
  const mounts = (role: Role) => {
    const { volumes, containers } = podOf(role, { deployment }).spec as {
      volumes: { name: string; secret?: { secretName: string; defaultMode: number } }[]
      containers: [{ volumeMounts: { name: string; mountPath: string }[] }]
    }
    return Object.fromEntries(
      containers[0].volumeMounts.flatMap(({ name, mountPath }) => {
        const secret = volumes.find((each) => each.name === name)?.secret
        return secret?.defaultMode === 0o440 ? [[mountPath, secret.secretName]] : []
      }),
    )
  }

  it('is passed on by the Gateways as bytes, to cache and scheduler alone', () => {
    for (const [name, server, port] of [
      ['cache', 'cas', 50_051],
      ['scheduler', 'scheduler', 50_052],
    ] as const) {
      expect(objectOf('Gateway', `${name}-gateway`, { deployment })['spec']).toMatchObject({
        listeners: [{ port: 443, protocol: 'TCP', allowedRoutes: { kinds: [{ kind: 'TCPRoute' }] } }],
      })
      expect(objectOf('TCPRoute', `${name}-route`, { deployment })['spec']).toEqual({
        parentRefs: [{ name: `${name}-gateway` }],
        rules: [{ backendRefs: [{ name: server, port }] }],
      })
      expect(objectOf('BackendTrafficPolicy', `${name}-route`, { deployment })['spec']).toMatchObject({
        targetRefs: [{ kind: 'TCPRoute', name: `${name}-route` }],
      })
      expect(objectOf('ClientTrafficPolicy', `${name}-gateway`, { deployment })['spec']).toMatchObject({
        timeout: { tcp: { idleTimeout: '0s' } },
      })
    }
    const all = objectsOf({ deployment })
    expect(all.filter(({ kind }) => kind === 'GRPCRoute' || kind === 'Secret')).toEqual([])
    expect(JSON.stringify(objectOf('NetworkPolicy', 'console', { deployment }))).not.toContain('envoy-gateway-system')
  })

  it('is asked for it by the servers, which also accept what they show each other', () => {
    for (const role of ['cas', 'scheduler'] as const) {
      const { tls, access } = parsed(role)
      expect(tls).toMatchObject({
        cert: '/etc/native-tls/tls.crt',
        key: '/etc/native-tls/tls.key',
        client_ca: ['/etc/native-authorities/clients.crt', '/etc/native-authorities/ca.crt'],
        client_cert: 'required',
      })
      expect(access).toMatchObject({
        anonymous: 'none',
        tokens: '/etc/native-access/tokens.json',
        certificates: [{ san: '*.ci.example.com', role: 'runner' }],
      })
      expect(mounts(role)).toMatchObject({
        '/etc/native-tls': 'gateways-certificate',
        '/etc/native-authorities': 'clients-authorities',
      })
    }
    const client_tls = { ca: '/etc/native-own-tls/ca.crt', cert: '/etc/native-own-tls/tls.crt' }
    const [cas, scheduler] = ['grpcs://cas:50051', 'grpcs://scheduler:50052']
    expect(parsed('scheduler')).toMatchObject({ cas, client_tls })
    expect(parsed('worker')).toMatchObject({ cas, scheduler, client_tls })
    expect(parsed('console')).toMatchObject({ cas, scheduler, client_tls })
    for (const role of ['scheduler', 'worker', 'console'] as const)
      expect(mounts(role)).toMatchObject({ '/etc/native-own-tls': 'servers-certificate' })
  })

  it('reaches a key only where it is needed', () => {
    for (const role of ['worker', 'console'] as const)
      expect(Object.values(mounts(role))).not.toContain('gateways-certificate')
    expect(Object.values(mounts('cas'))).not.toContain('servers-certificate')
    for (const role of roles)
      expect(JSON.stringify(podOf(role, { deployment: { tls: 'auto' } }))).not.toContain('certificate')
  })

  it('is no matter of a kubelet, which asks for health beside the metrics', () => {
    const probe = { httpGet: { path: '/healthz', port: 'metrics' } }
    for (const role of ['cas', 'scheduler'] as const) {
      const [container] = podOf(role, { deployment }).spec['containers'] as [Record<string, unknown>]
      for (const name of ['startupProbe', 'readinessProbe', 'livenessProbe'])
        expect(container[name]).toMatchObject(probe)
      expect(JSON.stringify(objectOf('Service', role, { deployment }))).not.toContain('h2c')
    }
    expect(JSON.stringify(objectOf('Service', 'console', { deployment }))).toContain('h2c')
  })
})

describe('the network', () => {
  it('lets no pod speak with what it has no business with', () => {
    for (const role of roles) {
      const spec = objectOf('NetworkPolicy', role)['spec'] as { policyTypes: string[]; egress?: { to: object[] }[] }
      expect(spec.policyTypes).toEqual(['Ingress', 'Egress'])
      for (const { to } of spec.egress ?? []) expect(to.length).toBeGreaterThan(0)
    }
    const alone = { deployment: { console: false } }
    expect(objectOf('NetworkPolicy', 'cas', alone)['spec']).not.toHaveProperty('egress')
  })

  it("lets cilium's gateway in, which is not a pod", () => {
    expect(objectOf('CiliumNetworkPolicy', 'gateways', { profile: 'cilium' })['spec']).toMatchObject({
      ingress: [{ fromEntities: ['ingress'] }],
    })
  })
})

it('has as many workers as asked', () => {
  for (const workers of [0, 1, 7])
    expect(objectOf('Deployment', 'worker', { deployment: { workers } })['spec']).toMatchObject({ replicas: workers })
})
