import { z } from 'zod'
import { Failure } from '../../core/failure.ts'
import type { StepReport } from '../driver.ts'
import type { RouteKind } from '../manifest/gateways.ts'
import { readObject } from './apply.ts'
import { call } from './call.ts'
import type { Kubernetes } from './connect.ts'
import { type Decision, until, watched } from './watch.ts'

const api = 'gateway.networking.k8s.io/v1'
const condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().default(''),
  message: z.string().default(''),
})
type Condition = z.output<typeof condition>

const gatewaySchema = z.object({
  metadata: z.object({ name: z.string(), generation: z.number() }),
  spec: z.object({ gatewayClassName: z.string() }),
  status: z
    .object({
      addresses: z.array(z.object({ value: z.string() })).default([]),
      conditions: z.array(condition).default([]),
      listeners: z.array(z.object({ attachedRoutes: z.number() })).default([]),
    })
    .prefault({}),
})
/** A Gateway, as far as it is needed here. */
export type Gateway = z.output<typeof gatewaySchema>

const routeSchema = z.object({
  metadata: z.object({ name: z.string() }),
  status: z
    .object({ parents: z.array(z.object({ conditions: z.array(condition).default([]) })).default([]) })
    .prefault({}),
})
type Route = z.output<typeof routeSchema>

const gatewaysPath = (namespace: string) => `/apis/${api}/namespaces/${encodeURIComponent(namespace)}/gateways`
const routesPath = (namespace: string, kind: RouteKind) =>
  `/apis/${api}/namespaces/${encodeURIComponent(namespace)}/${kind.toLowerCase()}s`

export interface GatewayOptions {
  readonly namespace: string
  /** The Gateways and their routes, by name. */
  readonly doors: readonly { readonly gateway: string; readonly route: string }[]
  readonly routeKind: RouteKind
  /** False while there is nothing behind the routes. */
  readonly servers: boolean
  readonly msMax: number
  readonly report: StepReport
}

/** What a Gateway or a route lacks, and whether that may still arrive. */
interface Lack {
  readonly text: string
  /** Absent where only time tells. */
  readonly graceMs?: number
  readonly next?: string
}

/** How long an unaccepted class, or a refusal, is checked again: controllers begin with a list. */
const classGraceMs = 15_000
const refusalGraceMs = 10_000

/**
 * Waits until each Gateway is programmed and has an address, and its route is accepted and attached.
 * @throws Failure 'not-found' for a missing class, 'precondition' for a refusal, 'deadline'; each with the controller's
 *   own message
 */
export async function awaitGateways(kubernetes: Kubernetes, options: GatewayOptions): Promise<void> {
  const { namespace, routeKind, report, msMax } = options
  const gateways = watched(kubernetes, { path: gatewaysPath(namespace), schema: gatewaySchema })
  const routes = watched(kubernetes, { path: routesPath(namespace, routeKind), schema: routeSchema })
  const began = kubernetes.clock.now()
  await until(
    [gateways, routes],
    { clock: kubernetes.clock, signal: report.signal, msMax },
    async (expired): Promise<Decision> => {
      for (const door of options.doors) {
        const gateway = gateways.items.get(`${namespace}/${door.gateway}`)
        const route = routes.items.get(`${namespace}/${door.route}`)
        const lack =
          (await gatewayLack(kubernetes, gateway, report.signal)) ??
          (options.servers ? routeLack(route, gateway) : undefined)
        if (!lack) continue
        const left = lack.graceMs === undefined ? undefined : began + lack.graceMs - kubernetes.clock.now()
        if (expired || (left !== undefined && left <= 0))
          throw new Failure(left === undefined ? 'deadline' : 'precondition', `${door.gateway} ${lack.text}`, {
            where: `Gateway ${namespace}/${door.gateway}`,
            ...(lack.next !== undefined && { next: [lack.next] }),
          })
        report.say(`${door.gateway} ${lack.text}`)
        return left === undefined ? {} : { againMs: left }
      }
      return 'done'
    },
  )
}

/** The Gateways of a namespace, by name. */
export async function readGateways(
  kubernetes: Kubernetes,
  namespace: string,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, Gateway>> {
  const path = gatewaysPath(namespace)
  const { body } = await call(kubernetes, { path, object: `Gateways of ${namespace}`, signal })
  const { items } = z.object({ items: z.array(gatewaySchema).default([]) }).parse(body)
  return new Map(items.map((each) => [each.metadata.name, each]))
}

const find = (conditions: readonly Condition[], type: string) => conditions.find((each) => each.type === type)
const said = (each: Condition | undefined) => each?.message || each?.reason || 'its controller has not seen it'

async function gatewayLack(
  kubernetes: Kubernetes,
  gateway: Gateway | undefined,
  signal: AbortSignal,
): Promise<Lack | undefined> {
  if (!gateway) return { text: 'is not there' }
  const { conditions, addresses } = gateway.status
  const programmed = find(conditions, 'Programmed')
  if (programmed?.status === 'True') return addresses.length === 0 ? { text: 'has no address' } : undefined
  const accepted = find(conditions, 'Accepted')
  if (accepted?.status === 'True') return { text: `is not programmed: ${said(programmed)}` }
  const ofClass = await classLack(kubernetes, gateway.spec.gatewayClassName, signal)
  if (ofClass) return ofClass
  return {
    text: `is not accepted: ${said(accepted)}`,
    ...(accepted?.status === 'False' && { graceMs: refusalGraceMs }),
  }
}

const gatewayClass = z.object({
  spec: z.object({ controllerName: z.string() }),
  status: z.object({ conditions: z.array(condition).default([]) }).prefault({}),
})

/** Checks the Gateway's class: while it is missing or not accepted, nobody makes the Gateway. */
async function classLack(kubernetes: Kubernetes, name: string, signal: AbortSignal): Promise<Lack | undefined> {
  const found = await readObject(kubernetes, { apiVersion: api, kind: 'GatewayClass', metadata: { name } }, signal)
  const next = 'Install the controller of that class, or choose the Gateway that `native up` installed.'
  if (found === undefined) return { text: `is of class "${name}", which the cluster does not have`, graceMs: 0, next }
  const { spec, status } = gatewayClass.parse(found)
  const accepted = find(status.conditions, 'Accepted')
  if (accepted?.status === 'True') return undefined
  const graceMs = accepted?.status === 'False' ? refusalGraceMs : classGraceMs
  return { text: `is of class "${name}", which ${spec.controllerName} has not taken: ${said(accepted)}`, graceMs, next }
}

function routeLack(route: Route | undefined, gateway: Gateway | undefined): Lack | undefined {
  if (!route) return { text: 'has no route' }
  const conditions = route.status.parents.flatMap((each) => each.conditions)
  for (const type of ['Accepted', 'ResolvedRefs']) {
    const found = find(conditions, type)
    if (found?.status === 'True') continue
    const text = `has a route that is not usable (${type}): ${said(found)}`
    return found?.status === 'False' ? { text, graceMs: refusalGraceMs } : { text }
  }
  const attached = gateway?.status.listeners.some(({ attachedRoutes }) => attachedRoutes > 0)
  return attached ? undefined : { text: 'has no route attached' }
}
