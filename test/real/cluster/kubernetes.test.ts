import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyObjects, deleteObject, readObject } from '../../../src/cluster/kubernetes/apply.ts'
import { connectKubernetes, type Kubernetes } from '../../../src/cluster/kubernetes/connect.ts'
import { diffObjects } from '../../../src/cluster/kubernetes/diff.ts'
import { readObjects } from '../../../src/cluster/kubernetes/documents.ts'
import { awaitGateways } from '../../../src/cluster/kubernetes/gateways.ts'
import { podSchema, podsPath } from '../../../src/cluster/kubernetes/pods.ts'
import { awaitRollout } from '../../../src/cluster/kubernetes/rollout.ts'
import { type Decision, until, watched } from '../../../src/cluster/kubernetes/watch.ts'
import { type KubeObject, objectOf } from '../../../src/cluster/manifest/object.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { type ControlPlane, startControlPlane } from '../../fixture/control-plane.ts'
import { kindParts } from '../../fixture/kind-parts.ts'

// Waits for the provisioning that CI has begun.
const parts = await kindParts()

const namespace = 'things'
const settings = (data: Readonly<Record<string, string>>, name = 'one') =>
  objectOf('v1', 'ConfigMap', { name, namespace }, { data })
const labels = { app: 'a' }
const report = { signal: new AbortController().signal, say: () => undefined }

/** A pod as kubelet or the scheduler would write it: there are none of both here. */
function podOf(name: string): KubeObject {
  return objectOf(
    'v1',
    'Pod',
    { name, namespace, labels },
    { spec: { containers: [{ name: 'c', image: 'none.test/none:1' }] } },
  )
}

describe.skipIf(!parts)('a real API server', () => {
  let plane: ControlPlane
  let kubernetes: Kubernetes

  beforeAll(async () => {
    plane = await startControlPlane(parts?.programs ?? '')
    const patience = { msMax: 60_000 }
    kubernetes = await connectKubernetes({ kubeconfig: plane.kubeconfig, context: 'n', patience })
  })
  afterAll(() => plane.close())

  /** Writes the status that a part of Kubernetes would write which does not run here. */
  async function setStatus(kind: string, name: string, status: object): Promise<void> {
    const patch = ['--subresource=status', '--type=merge', '--patch', JSON.stringify({ status })]
    await plane.kubectl('patch', kind, name, '--namespace', namespace, ...patch)
  }

  it('takes objects in their order, and tells what it changed', async () => {
    const objects = [objectOf('v1', 'Namespace', { name: namespace, labels }, {}), settings({ a: '1' })]
    const changes = async (given: readonly KubeObject[]) =>
      (await applyObjects(kubernetes, given)).map(({ object, change }) => [object, change])
    expect(await changes(objects)).toEqual([
      ['Namespace/things', 'created'],
      ['ConfigMap/one', 'created'],
    ])
    expect(await changes([...objects.slice(0, 1), settings({ a: '2' })])).toEqual([
      ['Namespace/things', 'unchanged'],
      ['ConfigMap/one', 'changed'],
    ])
  })

  it('owns its fields, takes them back from others and leaves the rest to them', async () => {
    const set = ['--type=merge', '--patch', '{"data":{"a":"theirs","b":"theirs"}}']
    await plane.kubectl('patch', 'configmap', 'one', '--namespace', namespace, ...set)
    await applyObjects(kubernetes, [settings({ a: 'ours' })])
    expect(await readObject(kubernetes, settings({}))).toMatchObject({ data: { a: 'ours', b: 'theirs' } })
  })

  it('refuses a field that no schema knows, by its name, and changes nothing', async () => {
    const wrong = { ...settings({ a: 'x' }, 'two'), dota: { a: 'x' } }
    await expect(applyObjects(kubernetes, [wrong])).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('dota'),
      where: 'ConfigMap things/two',
    })
    expect(await readObject(kubernetes, wrong)).toBeUndefined()
  })

  it('names a kind and a namespace that are not there', async () => {
    const widget = objectOf('example.test/v1', 'Widget', { name: 'w' }, {})
    await expect(applyObjects(kubernetes, [widget])).rejects.toMatchObject({ kind: 'not-found', where: 'Widget w' })
    const lost = objectOf('v1', 'ConfigMap', { name: 'one', namespace: 'nowhere' }, {})
    await expect(applyObjects(kubernetes, [lost])).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringContaining('nowhere'),
    })
  })

  it('takes the controllers as they are published: kinds first, then objects of them', async () => {
    for (const file of parts?.controllers ?? []) {
      const objects = await readObjects(file)
      const applied = await applyObjects(kubernetes, objects)
      expect(applied).toHaveLength(objects.length)
    }
    // Nothing runs behind the controllers' hooks here.
    await plane.kubectl('delete', 'validatingwebhookconfigurations,mutatingwebhookconfigurations', '--all')
    const gateway = objectOf(
      'gateway.networking.k8s.io/v1',
      'Gateway',
      { name: 'g', namespace },
      { spec: { gatewayClassName: 'none', listeners: [{ name: 'l', port: 80, protocol: 'HTTP' }] } },
    )
    expect(await applyObjects(kubernetes, [gateway])).toMatchObject([{ change: 'created' }])
  })

  it('says at once that the class of a Gateway is not there', async () => {
    const doors = [{ gateway: 'g', route: 'r' }]
    const waiting = awaitGateways(kubernetes, {
      namespace,
      doors,
      routeKind: 'GRPCRoute',
      servers: true,
      msMax: 60_000,
      report,
    })
    await expect(waiting).rejects.toMatchObject({ kind: 'precondition', message: expect.stringContaining('"none"') })
  })

  it('shows what would change, and changes nothing', async () => {
    await applyObjects(kubernetes, [settings({ a: '1' })])
    expect(await diffObjects(kubernetes, [settings({ a: '1' })])).toEqual([])
    const elsewhere = objectOf('v1', 'ConfigMap', { name: 'new', namespace: 'new' }, { data: { k: 'v' } })
    const diffs = await diffObjects(kubernetes, [settings({ a: '2' }), elsewhere])
    expect(diffs.map(({ object, change }) => [object, change])).toEqual([
      ['ConfigMap/one', 'changed'],
      ['ConfigMap/new', 'created'],
    ])
    expect(diffs[0]?.text).toContain('-  a: "1"\n+  a: "2"')
    expect(diffs[0]?.text).not.toMatch(/managedFields|resourceVersion|uid/)
    expect(await readObject(kubernetes, settings({}))).toMatchObject({ data: { a: '1' } })
    expect(await readObject(kubernetes, elsewhere)).toBeUndefined()
  })

  it('removes an object, and again', async () => {
    await deleteObject(kubernetes, settings({}))
    await deleteObject(kubernetes, settings({}))
    expect(await readObject(kubernetes, settings({}))).toBeUndefined()
  })

  it('watches pods as they come, change and go', async () => {
    const pods = watched(kubernetes, { path: podsPath(namespace), schema: podSchema })
    const phases: (string | undefined)[] = []
    const next = [
      () => applyObjects(kubernetes, [podOf('seen')]),
      () => setStatus('pod', 'seen', { phase: 'Running' }),
      () => plane.kubectl('delete', 'pod', 'seen', '--namespace', namespace, '--force', '--grace-period=0'),
    ]
    await until(
      [pods],
      { clock: systemClock, signal: report.signal, msMax: 60_000 },
      async (expired): Promise<Decision> => {
        const phase = pods.items.get(`${namespace}/seen`)?.status.phase
        if (expired) throw new Error(`still ${phase}`)
        if (phases.length > 0 && phase === phases.at(-1)) return {}
        phases.push(phase)
        const act = next.shift()
        if (!act) return 'done'
        await act()
        return {}
      },
    )
    expect(phases).toEqual([undefined, 'Pending', 'Running', undefined])
  })

  it('sees a pod that fits nowhere, and tells what the scheduler says', async () => {
    await applyObjects(kubernetes, [podOf('large')])
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no room at all' }
    await setStatus('pod', 'large', { conditions: [condition] })
    const options = { namespaces: [namespace], msMax: 60_000, report, restartsMax: 1, imageGraceMs: 0 }
    await expect(awaitRollout(kubernetes, options)).rejects.toMatchObject({
      kind: 'exhausted',
      where: 'pod things/large',
      output: 'Unschedulable: no room at all',
    })
  })
})
