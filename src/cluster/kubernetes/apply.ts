import { z } from 'zod'
import { countText } from '../../core/count-text.ts'
import { Failure } from '../../core/failure.ts'
import { wait } from '../../host/wait.ts'
import type { KubeObject } from '../manifest/object.ts'
import { type ApiAnswer, call } from './call.ts'
import type { Kubernetes } from './connect.ts'
import { statusCodeOf } from './failure.ts'
import { keyText, learnKinds, type ObjectKey, pathOf, shortKeyText } from './resources.ts'

/** The owner of our fields in an object's managedFields. */
const defaultManager = 'native'

export interface ApplyOptions {
  readonly signal?: AbortSignal
  readonly fieldManager?: string
  /** Only ask the server whether it would accept them. */
  readonly dryRun?: boolean
  /** Called for each object when it is done, so that it is known what a call did that is aborted midway. */
  told?(applied: Applied): void
}

export interface Applied {
  readonly key: ObjectKey
  /** Like `StatefulSet/cas`. */
  readonly object: string
  readonly change: 'created' | 'changed' | 'unchanged'
}

const isDefinition = ({ kind, apiVersion }: KubeObject) =>
  kind === 'CustomResourceDefinition' && apiVersion.startsWith('apiextensions.k8s.io/')

/**
 * Server-side apply: the fields that we set are ours (force), all others belong to others, and a field that no schema
 * knows is an error. Definitions of kinds are applied first and awaited; otherwise the order is kept.
 * @throws Failure of the first object that is refused; those applied before it stay
 */
export async function applyObjects(
  kubernetes: Kubernetes,
  objects: readonly KubeObject[],
  options: ApplyOptions = {},
): Promise<Applied[]> {
  const applied: Applied[] = []
  const definitions = objects.filter(isDefinition)
  for (const each of definitions) applied.push(await applyOne(kubernetes, each, options))
  if (!options.dryRun) {
    for (const each of definitions) await untilEstablished(kubernetes, each, options.signal)
    learnKinds(kubernetes, definitions)
  }
  const own = new Set(definitions.map(kindDefined))
  for (const each of objects.filter((object) => !isDefinition(object)))
    applied.push(
      await whileNew(kubernetes, own.has(kindOf(each)), options.signal, () => applyOne(kubernetes, each, options)),
    )
  return applied
}

/** A summary for a step's line. */
export function appliedText(applied: readonly Applied[]): string {
  const count = (change: Applied['change']) => applied.filter((each) => each.change === change).length
  const parts = (['created', 'changed', 'unchanged'] as const)
    .map((change) => [count(change), change] as const)
    .filter(([number]) => number > 0)
    .map(([number, change]) => `${number} ${change}`)
  return `${countText(applied.length, 'object')}: ${parts.join(', ')}`
}

const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'
const versioned = z.object({ metadata: z.object({ resourceVersion: z.string() }) })

async function applyOne(kubernetes: Kubernetes, object: KubeObject, options: ApplyOptions): Promise<Applied> {
  const path = await pathOf(kubernetes, object, options.signal)
  const before = await orAbsent(call(kubernetes, { path, accept: metadataOnly, ...facts(object, options) }))
  const after = await patch(kubernetes, object, options, metadataOnly)
  const same = before && versioned.parse(before.body).metadata.resourceVersion
  const now = versioned.parse(after.body).metadata.resourceVersion
  const change = before === undefined ? 'created' : same === now ? 'unchanged' : 'changed'
  const applied = { key: object, object: shortKeyText(object), change } as const
  options.told?.(applied)
  return applied
}

/** Patches one object and returns the result; with dryRun, what the result would be. */
export async function patch(
  kubernetes: Kubernetes,
  object: KubeObject,
  options: ApplyOptions,
  accept = 'application/json',
): Promise<ApiAnswer> {
  return call(kubernetes, {
    method: 'PATCH',
    path: await pathOf(kubernetes, object, options.signal),
    query: {
      fieldManager: options.fieldManager ?? defaultManager,
      force: true,
      fieldValidation: 'Strict',
      ...(options.dryRun && { dryRun: 'All' }),
    },
    accept,
    body: { type: 'application/apply-patch+yaml', text: JSON.stringify(object) },
    ...facts(object, options),
  })
}

/** Reads an object; undefined when it, its namespace or its kind does not exist. */
export async function readObject(kubernetes: Kubernetes, key: ObjectKey, signal?: AbortSignal): Promise<unknown> {
  const read = async () =>
    call(kubernetes, { path: await pathOf(kubernetes, key, signal), object: keyText(key), signal })
  return (await orAbsent(read()))?.body
}

/** Removes an object, and afterwards what belongs to it; an absent one is not an error. */
export async function deleteObject(kubernetes: Kubernetes, key: ObjectKey, signal?: AbortSignal): Promise<void> {
  const path = await pathOf(kubernetes, key, signal)
  const query = { propagationPolicy: 'Background' }
  await orAbsent(call(kubernetes, { method: 'DELETE', path, query, object: keyText(key), signal }))
}

async function orAbsent(answer: Promise<ApiAnswer>): Promise<ApiAnswer | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof Failure && error.kind === 'not-found') return undefined
    throw error
  }
}

function facts(object: KubeObject, { signal }: ApplyOptions) {
  return { object: keyText(object), signal }
}

const establishedMsMax = 60_000
const lookMs = 100
const conditions = z.object({
  status: z
    .object({
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), message: z.string().optional() }))
        .optional(),
    })
    .optional(),
})

async function untilEstablished(kubernetes: Kubernetes, definition: KubeObject, signal?: AbortSignal): Promise<void> {
  const end = kubernetes.clock.now() + establishedMsMax
  const where = keyText(definition)
  for (;;) {
    const { status } = conditions.parse((await readObject(kubernetes, definition, signal)) ?? {})
    const condition = (type: string) => status?.conditions?.find((each) => each.type === type)
    if (condition('Established')?.status === 'True') return
    const names = condition('NamesAccepted')
    if (names?.status === 'False')
      throw new Failure(
        'exists',
        `the cluster does not accept a resource kind: ${names.message ?? 'its names are taken'}`,
        {
          where,
        },
      )
    if (kubernetes.clock.now() > end)
      throw new Failure('deadline', 'the cluster does not serve a new resource kind', { where })
    await wait(lookMs, kubernetes.clock, signal)
  }
}

const newKindMsMax = 15_000

/** An API server may briefly answer 404 after it has reported a kind as established. */
async function whileNew(
  { clock }: Kubernetes,
  isNew: boolean,
  signal: AbortSignal | undefined,
  attempt: () => Promise<Applied>,
): Promise<Applied> {
  const end = clock.now() + newKindMsMax
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!isNew || statusCodeOf(error) !== 404 || clock.now() > end) throw error
      await wait(lookMs, clock, signal)
    }
  }
}

const defined = z.object({ spec: z.object({ group: z.string(), names: z.object({ kind: z.string() }) }) })

function kindDefined(definition: KubeObject): string {
  const { group, names } = defined.parse(definition).spec
  return `${group} ${names.kind}`
}

function kindOf({ apiVersion, kind }: KubeObject): string {
  return `${apiVersion.split('/', 1)[0]} ${kind}`
}
