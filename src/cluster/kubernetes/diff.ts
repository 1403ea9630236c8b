import { z } from 'zod'
import { Failure } from '../../core/failure.ts'
import type { ObjectDiff } from '../driver.ts'
import type { KubeObject } from '../manifest/object.ts'
import { yamlText } from '../manifest/write.ts'
import { type ApplyOptions, patch, readObject } from './apply.ts'
import type { Kubernetes } from './connect.ts'
import { shortKeyText } from './resources.ts'
import { unifiedDiff } from './unified.ts'

/** Metadata that the server maintains itself. */
const ownMetadata = ['managedFields', 'resourceVersion', 'generation', 'uid', 'creationTimestamp', 'selfLink'] as const
const ownAnnotations = [
  'kubectl.kubernetes.io/last-applied-configuration',
  'deployment.kubernetes.io/revision',
] as const

/**
 * What applying would change: the server itself says what each object would become, with its defaults and what others
 * have set. Unchanged objects are left out.
 * @throws Failure of an object that the server would refuse
 */
export async function diffObjects(
  kubernetes: Kubernetes,
  objects: readonly KubeObject[],
  options: Omit<ApplyOptions, 'dryRun'> = {},
): Promise<ObjectDiff[]> {
  const diffs: ObjectDiff[] = []
  for (const each of objects) {
    const before = await readObject(kubernetes, each, options.signal)
    const after = await become(kubernetes, each, before === undefined, options)
    const object = shortKeyText(each)
    const text = unifiedDiff(textOf(before), textOf(after), {
      before: `cluster/${object}`,
      after: `deployment/${object}`,
    })
    if (text !== '') diffs.push({ object, change: before === undefined ? 'created' : 'changed', text })
  }
  return diffs
}

/** A new object whose namespace or kind is also new cannot be tried: it is shown as it would be sent. */
async function become(
  kubernetes: Kubernetes,
  object: KubeObject,
  isNew: boolean,
  options: ApplyOptions,
): Promise<unknown> {
  try {
    return (await patch(kubernetes, object, { ...options, dryRun: true })).body
  } catch (error) {
    if (isNew && error instanceof Failure && error.kind === 'not-found') return object
    throw error
  }
}

const object = z.looseObject({
  metadata: z.looseObject({ annotations: z.record(z.string(), z.string()).optional() }),
})

function textOf(value: unknown): string {
  return value === undefined ? '' : yamlText([withoutOwn(value)])
}

/** An object without what the server or others write into it. */
function withoutOwn(value: unknown): object {
  const { status: _, ...rest } = object.parse(value)
  const { annotations, ...others } = rest.metadata
  const metadata = omit(others, ownMetadata)
  const kept = omit(annotations ?? {}, ownAnnotations)
  return { ...rest, metadata: { ...metadata, ...(Object.keys(kept).length > 0 && { annotations: kept }) } }
}

function omit(record: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)))
}
