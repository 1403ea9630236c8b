import type { Deployment } from '../../../config/deployment.ts'
import { Failure } from '../../../core/failure.ts'
import type { Step } from '../../driver.ts'
import { appliedText, applyObjects, deleteObject } from '../../kubernetes/apply.ts'
import type { Kubernetes } from '../../kubernetes/connect.ts'
import { awaitGateways, readGateways } from '../../kubernetes/gateways.ts'
import { tlsEndOf } from '../../manifest/client-secrets.ts'
import { doors, routeKeys, routeKindOf } from '../../manifest/gateways.ts'
import { manifestsOf } from '../../manifest/layout.ts'
import type { ManifestRequest } from '../../manifest/request.ts'
import { layered } from '../../shared/deployment-layers.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import { readKindMemory } from '../state.ts'
import { forget, objectsOf, plan, requestOf, type Work, withoutClaimsThatAreThere } from './plan.ts'

const gatewayMsMax = 3 * 60_000
/** The time limit for undoing a failed deployment. */
const undoMsMax = 60_000

/** The kinds of objects that lead clients to the servers. */
const leading: ReadonlySet<string> = new Set([
  'Gateway',
  'Service',
  'GRPCRoute',
  'TCPRoute',
  'ClientTrafficPolicy',
  'BackendTrafficPolicy',
])

/** What stays over every deployment of the application: addresses survive it. */
export function operationsStep(context: KindContext, work: Work): Step {
  return {
    title: 'Operations: namespace, volume, gateways',
    async run(report) {
      const request = await plan(context, work)
      const { operations } = manifestsOf(request)
      const kubernetes = await kubernetesOf(context, report)
      const { signal } = report
      const objects = await withoutClaimsThatAreThere(kubernetes, objectsOf(operations), signal)
      const applied = await applyObjects(kubernetes, objects, { signal })
      await removeFormerRoutes(kubernetes, work.before?.deployment ?? {}, request, signal)
      report.say(appliedText(applied))
    },
    undo: () => takeBack(context, work),
  }
}

/** What leads to servers behind Gateways that pass bytes on does not lead to others, and the other way round. */
async function removeFormerRoutes(
  kubernetes: Kubernetes,
  former: Deployment,
  request: ManifestRequest,
  signal: AbortSignal,
): Promise<void> {
  if (routeKindOf(former) === routeKindOf(request.deployment)) return
  for (const key of routeKeys({ ...request, deployment: former })) await deleteObject(kubernetes, key, signal)
}

/** Restores how clients reach what ran before: with TLS that ends where it did, or without. */
async function takeBack(context: KindContext, work: Work): Promise<void> {
  const { before, request } = work
  await forget(context, work)
  if (!before?.deployment || !before.images || !request) return
  if (tlsEndOf(before.deployment) === tlsEndOf(request.deployment)) return
  const kubernetes = await kubernetesOf(context, { say: () => undefined })
  const former = requestOf(context, before, before.deployment, before.images)
  const objects = objectsOf(manifestsOf(former).operations).filter(({ kind }) => leading.has(kind))
  const signal = AbortSignal.timeout(undoMsMax)
  await applyObjects(kubernetes, objects, { signal })
  await removeFormerRoutes(kubernetes, request.deployment, former, signal)
}

/** Waits for Gateways that are programmed and have addresses; with servers behind them, also for attached routes. */
export function gatewaysStep(context: KindContext, servers: boolean): Step {
  return {
    title: servers ? 'Gateways and routes' : 'Gateways',
    async run(report) {
      const kubernetes = await kubernetesOf(context, report)
      const namespace = namespaceOf(context)
      const { deployment } = (await readKindMemory(context.paths)) ?? {}
      const routeKind = routeKindOf(deployment ?? {})
      await awaitGateways(kubernetes, { namespace, doors, routeKind, servers, msMax: gatewayMsMax, report })
      const gateways = await readGateways(kubernetes, namespace, report.signal)
      const addresses = doors.map(({ gateway }) => `${gateway} ${gateways.get(gateway)?.status.addresses[0]?.value}`)
      report.say(addresses.join(', '))
    },
  }
}

const operationsFirst = ['Run `native deploy --only operations` first, or leave --only out to deploy both.']

/** Checked before anything is made: there has to be a cluster for an application alone. */
export function assertUpStep(context: KindContext): Step {
  return {
    title: 'Cluster',
    async run({ say }) {
      const memory = await readKindMemory(context.paths)
      if (!memory?.container)
        throw new Failure('precondition', `there is no cluster "${context.paths.name}" with operations on it`, {
          where: '--only application',
          next: operationsFirst,
        })
      say('there')
    },
  }
}

/** An application needs the volume and the Gateways that operations have made. */
export function assertOperationsStep(context: KindContext, work: Work): Step {
  return {
    title: 'Operations',
    async run(report) {
      const kubernetes = await kubernetesOf(context, report)
      const gateways = await readGateways(kubernetes, namespaceOf(context), report.signal)
      const missing = doors.filter(({ gateway }) => !gateways.has(gateway)).map(({ gateway }) => gateway)
      if (missing.length > 0)
        throw new Failure('precondition', `operations are not deployed: there is no ${missing.join(', no ')}`, {
          where: '--only application',
          next: operationsFirst,
        })
      const before = (await readKindMemory(context.paths))?.deployment ?? {}
      if (tlsEndOf(before) !== tlsEndOf(layered(work.whole ? {} : before, work.asked)))
        throw new Failure('precondition', 'where TLS ends is a matter of the Gateways, which are operations', {
          where: '--only application',
          next: operationsFirst,
        })
      report.say('already there')
    },
  }
}
