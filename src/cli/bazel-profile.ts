import { connectedWorkers } from '../client/fleet.ts'
import { imageProperty, isAnyImage, type PlatformProperty } from '../core/platform.ts'
import type { WorkerView } from '../core/scheduler-view.ts'
import type { CallTarget } from '../wire/tls/called.ts'
import { openReached } from './reached.ts'

// Bazel's own --jobs is the number of the client's cores, which leaves workers idle while
// inputs travel: so many actions in flight for each slot keep them busy.
const jobsPerSlot = 2
const jobsMin = 8
// A label that says which tools a worker has: an action that names it is refused at once by
// workers with others, instead of failing inside them.
const labels: ReadonlySet<string> = new Set([imageProperty])

/** What a bazelrc says beside the addresses. */
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

/** Labels count where every worker offers them with the same value. */
export function profileOf(workers: readonly Pick<WorkerView, 'slots' | 'properties'>[]): BazelProfile {
  const slots = workers.reduce((sum, worker) => sum + worker.slots, 0)
  const [first, ...others] = workers
  const properties = (first?.properties ?? []).filter(
    ({ name, value }) =>
      labels.has(name) &&
      !isAnyImage({ name, value }) &&
      // A worker's words: a line break among them would be another line of the bazelrc.
      !/\p{C}/u.test(value) &&
      others.every((worker) => worker.properties.some((each) => each.name === name && each.value === value)),
  )
  return { jobs: Math.max(jobsMin, slots * jobsPerSlot), properties }
}
