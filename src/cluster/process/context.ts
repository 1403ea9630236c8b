import type { Clock } from '../../core/clock.ts'
import type { UserContext } from '../../host/user-folders.ts'
import type { Machine } from '../shared/machine.ts'
import type { ClusterPaths } from './paths.ts'

/** Everything that the process driver knows about its surroundings. */
export interface ProcessContext {
  readonly paths: ClusterPaths
  readonly user: UserContext
  readonly machine: Machine
  readonly clock: Clock
  /** How `native` itself is started: the runtime and the script, absolute. */
  readonly program: readonly string[]
  /** The release of `native`; another one restarts the servers at the next deploy. */
  readonly release: string
}
