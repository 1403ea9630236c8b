import { connectedWorkers, type FleetWorker } from '../client/fleet.ts'
import type { PlatformProperty } from '../core/platform.ts'
import { openChannel } from '../wire/channel.ts'

// Bazel's own --jobs is the number of the client's cores, which leaves workers idle while
// inputs travel: so many actions in flight for each slot keep them busy.
const jobsPerSlot = 2
const jobsMin = 8
// A label that says which tools a worker has: an action that names it is refused at once by
// workers with others, instead of failing inside them.
const labels: ReadonlySet<string> = new Set(['container-image'])

/** What a bazelrc says beside the addresses. */
export interface BazelProfile {
  readonly jobs: number
  readonly properties: readonly PlatformProperty[]
}

/** Asks the scheduler for its workers. @param url `grpc://host:port` */
export async function bazelProfile(url: string): Promise<BazelProfile> {
  const channel = openChannel(url)
  try {
    return profileOf(await connectedWorkers(channel))
  } finally {
    channel.close()
  }
}

/** Labels count where every worker offers them with the same value. */
export function profileOf(workers: readonly FleetWorker[]): BazelProfile {
  const slots = workers.reduce((sum, worker) => sum + worker.slots, 0)
  const [first, ...others] = workers
  const properties = (first?.properties ?? []).filter(
    ({ name, value }) =>
      labels.has(name) &&
      others.every((worker) => worker.properties.some((each) => each.name === name && each.value === value)),
  )
  return { jobs: Math.max(jobsMin, slots * jobsPerSlot), properties }
}
