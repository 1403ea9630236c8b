import type { ClusterState, ClusterStatus } from '../status.ts'

/** The status of a cluster whose servers are unknown. */
export function emptyStatus(
  { atLogin, keptData, ...cluster }: Pick<ClusterStatus, 'name' | 'driver' | 'version' | 'atLogin' | 'keptData'>,
  state: ClusterState,
  problems: readonly string[],
): ClusterStatus {
  const nothing = {
    servers: [],
    addresses: null,
    joined: null,
    otherWorkers: null,
    cache: null,
    workerCaches: null,
    sandboxedWorkers: null,
    load: null,
  }
  return { ...cluster, state, ...nothing, problems, atLogin, keptData }
}
