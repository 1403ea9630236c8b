import { connectedWorkers } from '../client/fleet.ts'
import { imageProperty, isAnyImage, type PlatformProperty } from '../core/platform.ts'
import type { WorkerView } from '../core/scheduler-view.ts'
import type { CallTarget } from '../wire/tls/called.ts'
import { openReached } from './reached.ts'

// Bazel's own --jobs is the client's number of cores, which leaves workers idle while inputs are transferred: this many
// actions in flight per slot keep them busy.
const jobsPerSlot = 2
const jobsMin = 8
// A label tells which tools a worker has: workers with other tools refuse an action that names it at once, instead of
// failing inside it.
const labels: ReadonlySet<string> = new Set([imageProperty])

/** What a bazelrc contains besides the addresses. */
export interface BazelProfile {
  readonly jobs: number
  readonly properties: readonly PlatformProperty[]
}

/** Asks the scheduler for its workers. */
export async function bazelProfile(scheduler: CallTarget): Promise<BazelProfile> {
  const channel = await openReached(scheduler)
  try {
    return profileOf(await connectedWorkers(channel))
  } finally {
    channel.close()
  }
}

/** Labels are included if every worker offers them with the same value. */
export function profileOf(workers: readonly Pick<WorkerView, 'slots' | 'properties'>[]): BazelProfile {
  const slots = workers.reduce((sum, worker) => sum + worker.slots, 0)
  const [first, ...others] = workers
  const properties = (first?.properties ?? []).filter(
    ({ name, value }) =>
      labels.has(name) &&
      !isAnyImage({ name, value }) &&
      // Workers send this: a line break in it would start a new line of the bazelrc.
      !/\p{C}/u.test(value) &&
      others.every((worker) => worker.properties.some((each) => each.name === name && each.value === value)),
  )
  return { jobs: Math.max(jobsMin, slots * jobsPerSlot), properties }
}
