import { Failure } from './failure.ts'

/**
 * Words that no segment of an instance name may be, since resource names are told apart by
 * them (remote_execution.proto, ExecuteRequest.instance_name and the resource names' grammar).
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

/**
 * Checks that an instance name is one that this server has.
 * @param name as the client sent it
 * @param known the names that mean this server's one instance; '' is the empty name
 * @throws Failure 'invalid' (an unknown instance is INVALID_ARGUMENT in the API)
 */
export function assertInstance(name: string, known: ReadonlySet<string>): void {
  if (known.has(name)) return
  const list = [...known].map((each) => (each === '' ? 'the empty name' : `"${each}"`)).join(' or ')
  throw new Failure('invalid', `there is no instance "${name.slice(0, 200)}"`, {
    next: [`Use ${list} (Bazel: --remote_instance_name).`],
  })
}
