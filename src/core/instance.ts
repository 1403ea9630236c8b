import { Failure } from './failure.ts'

/**
 * Words that may not be a segment of an instance name, since they delimit the parts of resource names
 * (remote_execution.proto, ExecuteRequest.instance_name and the resource names' grammar).
 */
export const reservedSegments: ReadonlySet<string> = new Set([
  'blobs',
  'uploads',
  'actions',
  'actionResults',
  'operations',
  'capabilities',
  'compressed-blobs',
])

/** The names that mean a server's one instance. A Set of names qualifies. */
export interface InstanceNames extends Iterable<string> {
  has(name: string): boolean
}

/** Names, and which of them clients have used. */
export interface UsedInstances extends InstanceNames {
  /** Names that were used, in order of first use; at most namesKeptMax. */
  used(): string[]
}

/** In a configuration: any name means the one instance. */
export const anyInstance = '*'
const nameLengthMax = 256
/** Names come from clients: only this many are told apart. */
const namesKeptMax = 16

/**
 * @param names from a configuration; with `*` among them, every name that a resource name can contain is accepted
 * @param count called for each call, with one of few names: those after the first ones are `other`
 */
export function instanceNames(
  names: readonly string[],
  count: (name: string) => void = () => undefined,
): UsedInstances {
  const known = new Set(names.filter((name) => name !== anyInstance))
  const any = names.includes(anyInstance)
  const used = new Set<string>()
  return {
    has(name) {
      if (!used.has(name)) {
        if (!known.has(name) && !(any && isUsable(name))) return false
        if (used.size < namesKeptMax) used.add(name)
      }
      count(used.has(name) ? name : 'other')
      return true
    },
    used: () => [...used],
    [Symbol.iterator]: () => (known.size > 0 ? known : new Set([''])).values(),
  }
}

function isUsable(name: string): boolean {
  return name.length <= nameLengthMax && !name.split('/').some((segment) => reservedSegments.has(segment))
}

/**
 * Checks that this server has the instance.
 * @param name as the client sent it
 * @param known the names that mean this server's one instance; '' is the empty name
 * @throws Failure 'invalid' (an unknown instance is INVALID_ARGUMENT in the API)
 */
export function assertInstance(name: string, known: InstanceNames): void {
  if (known.has(name)) return
  const list = [...known].map((each) => (each === '' ? 'the empty name' : `"${each}"`)).join(' or ')
  throw new Failure('invalid', `there is no instance "${name.slice(0, 200)}"`, {
    next: [`Use ${list} (Bazel: --remote_instance_name).`],
  })
}
