import { z } from 'zod'
import { Failure } from '../../core/failure.ts'
import type { KubeObject } from '../manifest/object.ts'
import { call } from './call.ts'
import type { ApiResource, Kubernetes } from './connect.ts'
import { statusCodeOf } from './failure.ts'

const resource = z.object({ name: z.string(), kind: z.string(), namespaced: z.boolean() })
const resourceList = z.object({ resources: z.array(resource).default([]) })

/** The key of an object. */
export interface ObjectKey {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

/** For people: `StatefulSet native/cas`, `GatewayClass envoy`. */
export function keyText({ kind, metadata }: ObjectKey): string {
  return `${kind} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}`
}

/** Like `StatefulSet/cas`. */
export function shortKeyText({ kind, metadata }: ObjectKey): string {
  return `${kind}/${metadata.name}`
}

/**
 * The path of an object. Discovery is done once per apiVersion, and again for an unknown kind.
 * @throws Failure 'not-found' for a kind that the cluster does not have
 */
export async function pathOf(kubernetes: Kubernetes, key: ObjectKey, signal?: AbortSignal): Promise<string> {
  const { name, namespaced } = await resourceOf(kubernetes, key, signal)
  const { namespace } = key.metadata
  const place = namespaced ? `/namespaces/${encodeURIComponent(namespace ?? 'default')}` : ''
  return `${groupPath(key.apiVersion)}${place}/${name}/${encodeURIComponent(key.metadata.name)}`
}

async function resourceOf(
  kubernetes: Kubernetes,
  key: ObjectKey,
  signal: AbortSignal | undefined,
): Promise<ApiResource> {
  const known = kubernetes.kinds.get(key.apiVersion)?.find(({ kind }) => kind === key.kind)
  if (known) return known
  const resources = await discover(kubernetes, key, signal)
  kubernetes.kinds.set(key.apiVersion, resources)
  const found = resources.find(({ kind }) => kind === key.kind)
  if (!found) throw unknownKind(key)
  return found
}

async function discover(
  kubernetes: Kubernetes,
  key: ObjectKey,
  signal: AbortSignal | undefined,
): Promise<readonly ApiResource[]> {
  try {
    const { body } = await call(kubernetes, { path: groupPath(key.apiVersion), object: key.apiVersion, signal })
    // Subresources like `pods/log` have their parent's kind or their own.
    return resourceList.parse(body).resources.filter(({ name }) => !name.includes('/'))
  } catch (error) {
    if (statusCodeOf(error) === 404) throw unknownKind(key)
    throw error
  }
}

function unknownKind(key: ObjectKey): Failure {
  return new Failure('not-found', `the cluster has no resource kind ${key.kind} of ${key.apiVersion}`, {
    where: keyText(key),
    next: ['Run `native up`, which installs the controllers.'],
  })
}

function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
}

const definition = z.object({
  spec: z.object({
    group: z.string(),
    scope: z.enum(['Namespaced', 'Cluster']),
    names: z.object({ plural: z.string(), kind: z.string() }),
    versions: z.array(z.object({ name: z.string(), served: z.boolean() })),
  }),
})

/** Adds the kinds of definitions that were just created: discovery shows them only a little later. */
export function learnKinds(kubernetes: Kubernetes, definitions: readonly KubeObject[]): void {
  for (const each of definitions) {
    const { group, scope, names, versions } = definition.parse(each).spec
    for (const { name } of versions.filter(({ served }) => served)) {
      const apiVersion = `${group}/${name}`
      const others = (kubernetes.kinds.get(apiVersion) ?? []).filter(({ kind }) => kind !== names.kind)
      const learnt = { name: names.plural, kind: names.kind, namespaced: scope === 'Namespaced' }
      kubernetes.kinds.set(apiVersion, [...others, learnt])
    }
  }
}
