import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { ciliumValues } from '../../../src/cluster/kind/addons/cilium-values.ts'
import { ensureSecret } from '../../../src/cluster/kind/rollout/secret.ts'
import { connectKubernetes } from '../../../src/cluster/kubernetes/connect.ts'
import { manifestsOf } from '../../../src/cluster/manifest/layout.ts'
import type { ManifestRequest } from '../../../src/cluster/manifest/request.ts'
import { secretCommand, secretName, secretOf } from '../../../src/cluster/manifest/secret.ts'
import { writeManifests, yamlText } from '../../../src/cluster/manifest/write.ts'
import { plainRequest } from '../../cluster/manifest/request.ts'
import { type ControlPlane, freePort, startControlPlane } from '../../fixture/control-plane.ts'
import { eventually } from '../../fixture/eventually.ts'
import { kindParts } from '../../fixture/kind-parts.ts'
import { root } from '../../fixture/program.ts'

// Waits for the provisioning that CI has begun.
const parts = await kindParts()

/** Writes the objects of a request and gives them to the server, each field known, with or without keeping them. */
async function apply(plane: ControlPlane, request: ManifestRequest, ...args: string[]): Promise<string> {
  const written = join(plane.folder, 'objects')
  await writeManifests(written, manifestsOf(request))
  return plane.kubectl('apply', '--kustomize', written, '--server-side', '--validate=strict', ...args)
}

describe.skipIf(!parts)('objects before a real API server', () => {
  let plane: ControlPlane

  beforeAll(async () => {
    plane = await startControlPlane(parts?.programs ?? '')
    for (const file of parts?.controllers ?? []) {
      const args = ['apply', '--server-side', '--filename', file]
      await eventually(
        () => plane.kubectl(...args),
        () => true,
      )
    }
    // Nothing runs behind the controllers' hooks here.
    await plane.kubectl('delete', 'validatingwebhookconfigurations,mutatingwebhookconfigurations', '--all')
    await plane.kubectl('create', 'namespace', plainRequest.namespace)
  }, 240_000)

  afterAll(() => plane?.close())

  it('are taken with every field known, in all three folders', async () => {
    const written = join(plane.folder, 'objects')
    await writeManifests(written, manifestsOf(plainRequest))
    for (const part of ['.', 'operations', 'application']) {
      const args = ['--server-side', '--dry-run=server', '--validate=strict']
      const stdout = await plane.kubectl('apply', '--kustomize', join(written, part), ...args)
      expect(stdout).toContain('serverside-applied (server dry run)')
    }
  })

  it('are taken with published Gateways as well', async () => {
    const stdout = await apply(plane, { ...plainRequest, published: true }, '--dry-run=server')
    expect(stdout).toContain('service/native-cache-gateway-published serverside-applied')
  })

  it('have a Secret that is made once and kept, cannot be changed, and is another once it was deleted', async () => {
    const kubernetes = await connectKubernetes({ kubeconfig: plane.kubeconfig, context: 'n' })
    const { namespace } = plainRequest
    const first = await ensureSecret(kubernetes, namespace)
    expect(first.made).toBe(true)
    expect(await ensureSecret(kubernetes, namespace)).toEqual({ ...first, made: false })
    const other = yamlText([secretOf({ namespace }, 'another-one-that-is-long-enough')])
    await writeFile(join(plane.folder, 'secret.yaml'), other)
    const change = ['apply', '--server-side', '--force-conflicts', '--filename', join(plane.folder, 'secret.yaml')]
    await expect(plane.kubectl(...change)).rejects.toThrow('immutable')
    await plane.kubectl('delete', 'secret', secretName, '--namespace', namespace)
    // The command that a rendering names, as a shell runs it.
    const env = { KUBECONFIG: plane.kubeconfig, PATH: `${plane.programs}:${process.env['PATH']}` }
    expect((await execa('sh', ['-c', secretCommand({ namespace })], { env })).stdout).toContain('created')
    const theirs = await ensureSecret(kubernetes, namespace)
    expect(theirs.made).toBe(false)
    expect(theirs.print).not.toBe(first.print)
  })

  it('keep out of the namespace what is not restricted', async () => {
    await apply(plane, plainRequest)
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'greedy', namespace: plainRequest.namespace },
      spec: { hostPID: true, containers: [{ name: 'c', image: 'c', securityContext: { privileged: true } }] },
    }
    await writeFile(join(plane.folder, 'pod.yaml'), yamlText([pod]))
    await expect(plane.kubectl('create', '--filename', join(plane.folder, 'pod.yaml'))).rejects.toThrow(
      'violates PodSecurity "restricted:latest"',
    )
    const template = JSON.parse(
      await plane.kubectl('get', 'deployment', 'worker', '--namespace', plainRequest.namespace, '--output', 'json'),
    ).spec.template
    const ours = { apiVersion: 'v1', kind: 'Pod', ...template }
    ours.metadata = { ...ours.metadata, name: 'ours', namespace: plainRequest.namespace }
    await writeFile(join(plane.folder, 'pod.yaml'), yamlText([ours]))
    expect(await plane.kubectl('create', '--filename', join(plane.folder, 'pod.yaml'), '--dry-run=server')).toContain(
      'pod/ours created',
    )
  })
})

/** No agent and no proxy: what a packet meets cannot be seen here. What they are told can. */
describe.skipIf(!parts)("cilium's chart and operator before a real API server", () => {
  const template = join(root, 'templates/kubernetes/cilium-values.yaml')
  const chart = join(parts?.cilium ?? '', 'chart.tgz')
  const request: ManifestRequest = { ...plainRequest, profile: 'cilium', published: true }
  let plane: ControlPlane
  let values: Readonly<Record<string, unknown>>

  const helm = async (...args: string[]) => (await execa(join(parts?.programs ?? '', 'helm'), args)).stdout
  const objectOf = async (kind: string, name: string) =>
    JSON.parse(
      (await plane.kubectl(
        'get',
        kind,
        name,
        '--namespace',
        request.namespace,
        '--output',
        'json',
        '--ignore-not-found',
      )) || 'null',
    )

  beforeAll(async () => {
    plane = await startControlPlane(parts?.programs ?? '')
    values = ciliumValues(await readFile(template, 'utf8'), template, { cluster: 'n', byName: true })
    const file = join(plane.folder, 'values.yaml')
    await writeFile(file, yamlText([values]))
    await plane.kubectl(
      'apply',
      '--server-side',
      '--validate=strict',
      '--filename',
      join(parts?.cilium ?? '', 'gateway-api.yaml'),
    )
    // helm proves the values against the chart's schema, and the server every object.
    await helm(
      'install',
      'cilium',
      chart,
      '--namespace=kube-system',
      '--values',
      file,
      '--kubeconfig',
      plane.kubeconfig,
    )
    await startOperator(plane)
  }, 240_000)

  afterAll(() => plane?.close())

  /** With the configuration that the chart has made of our values, as its pod reads it. */
  async function startOperator({ kubectl, folder, kubeconfig, start }: ControlPlane): Promise<void> {
    const map = JSON.parse(await kubectl('get', 'configmap', 'cilium-config', '-n', 'kube-system', '--output', 'json'))
    await mkdir(join(folder, 'config'))
    for (const [name, value] of Object.entries<string>(map.data)) await writeFile(join(folder, 'config', name), value)
    start(
      join(parts?.cilium ?? '', 'operator'),
      [
        ...['--config-dir', join(folder, 'config'), '--k8s-kubeconfig-path', kubeconfig, '--enable-gops=false'],
        ...['--operator-api-serve-addr', `127.0.0.1:${await freePort()}`],
        ...['--operator-prometheus-serve-addr', `127.0.0.1:${await freePort()}`],
        ...['--shell-sock-path', join(folder, 'shell.sock')],
      ],
      { CILIUM_K8S_NAMESPACE: 'kube-system', K8S_NODE_NAME: 'n' },
    )
    await eventually(
      () => kubectl('wait', '--for=condition=Accepted', 'gatewayclass/cilium', '--timeout=1s'),
      () => true,
    )
    const definitions = ['ciliumloadbalancerippools', 'ciliuml2announcementpolicies', 'ciliumnetworkpolicies']
    for (const each of definitions)
      await eventually(
        () => kubectl('get', `${each}.cilium.io`),
        () => true,
      )
  }

  it('know every value that we set', async () => {
    const known = parse(await helm('show', 'values', chart))
    // extraConfig is a map of the operator's own settings, which the chart does not know.
    const own = { ...values, extraConfig: {} }
    expect(unknownKeys(own, known)).toEqual([])
  })

  it('program the Gateways, with the addresses of the pool', async () => {
    await apply(plane, request)
    for (const [name, address] of [
      ['cache', '172.20.255.4'],
      ['scheduler', '172.20.255.5'],
    ] as const) {
      const gateway = await eventually(
        () => objectOf('gateway', `${name}-gateway`),
        ({ status }) => conditionOf(status, 'Programmed') === 'True',
      )
      expect(gateway.status.addresses).toEqual([{ type: 'IPAddress', value: address }])
      expect(gateway.status.listeners).toMatchObject([{ name: 'grpc', attachedRoutes: 1 }])
      const route = await objectOf('grpcroute', `${name}-route`)
      expect(conditionOf(route.status.parents[0], 'Accepted')).toBe('True')
      expect(conditionOf(route.status.parents[0], 'ResolvedRefs')).toBe('True')
    }
    const pool = await objectOf('ciliumloadbalancerippool', 'native')
    expect(conditionOf(pool.status, 'cilium.io/PoolConflict')).toBe('False')
  })

  it('tell the proxy of streams that may last and be silent, and of HTTP/2 to the servers', async () => {
    const { spec } = await objectOf('ciliumenvoyconfig', 'cilium-gateway-scheduler-gateway')
    const [listener, routes, backend] = spec.resources
    expect(listener.filterChains[0].filters[0].typedConfig).toMatchObject({
      streamIdleTimeout: '86400s',
      commonHttpProtocolOptions: { maxStreamDuration: '0s' },
    })
    // With it the route's own time-out of 15 s does not hold (Envoy, RouteAction.max_stream_duration).
    expect(routes.virtualHosts[0].routes).toMatchObject([
      { match: { prefix: '/' }, route: { maxStreamDuration: { maxStreamDuration: '0s' } } },
    ])
    const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
    expect(backend.typedExtensionProtocolOptions[options].explicitHttpConfig).toHaveProperty('http2ProtocolOptions')
    const config = (await plane.kubectl('get', 'configmap', 'cilium-config', '-n', 'kube-system', '-o', 'json')) ?? ''
    expect(JSON.parse(config).data).toMatchObject({ 'proxy-cluster-max-requests': '65536' })
  })

  it('leave the node ports of published Gateways what they are, whatever changes', async () => {
    const portOf = async () => (await objectOf('service', 'cilium-gateway-cache-gateway')).spec.ports[0].nodePort
    expect(await portOf()).toBe(30_051)
    const gateway = ['gateway', 'cache-gateway', '--namespace', request.namespace]
    const patch = JSON.stringify({ spec: { infrastructure: { labels: { changed: 'yes' } } } })
    await plane.kubectl('patch', ...gateway, '--type=merge', '--patch', patch)
    await eventually(
      () => objectOf('service', 'cilium-gateway-cache-gateway'),
      ({ metadata }) => metadata.labels['changed'] === 'yes',
    )
    expect(await portOf()).toBe(30_051)
    // Nor does what is applied again take anything from cilium.
    await apply(plane, request, '--force-conflicts')
    const { metadata, status } = await objectOf('service', 'cilium-gateway-cache-gateway')
    expect(metadata.ownerReferences).toMatchObject([{ kind: 'Gateway', name: 'cache-gateway' }])
    expect(status.loadBalancer.ingress).toMatchObject([{ ip: '172.20.255.4' }])
    expect(await portOf()).toBe(30_051)
  })
})

interface Conditions {
  readonly conditions?: readonly { readonly type: string; readonly status: string }[]
}

function conditionOf(status: Conditions | undefined, type: string): string | undefined {
  return status?.conditions?.find((each) => each.type === type)?.status
}

/** Paths of ours that are not in theirs; the schema lets any key pass. */
function unknownKeys(ours: object, theirs: unknown, path = ''): string[] {
  return Object.entries(ours).flatMap(([key, value]) => {
    const at = path === '' ? key : `${path}.${key}`
    if (typeof theirs !== 'object' || theirs === null || !(key in theirs)) return [at]
    return typeof value === 'object' && value !== null
      ? unknownKeys(value, (theirs as Record<string, unknown>)[key], at)
      : []
  })
}
