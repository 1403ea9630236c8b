import type { CasClient } from '../client/cas.ts'
import type { Clock } from '../core/clock.ts'
import type { PlatformProperty } from '../core/platform.ts'
import type { Images } from './images/store.ts'
import type { InputSource } from './input-source.ts'
import type { Limits } from './limits/limits.ts'
import type { Messages } from './messages.ts'
import type { PersistentTools } from './persistent/persistent-tools.ts'
import type { Remover } from './remover.ts'
import type { Spawner } from './spawner.ts'

/** What every action of one worker shares. */
export interface WorkerContext {
  readonly worker: string
  readonly cas: CasClient
  readonly inputs: InputSource
  readonly messages: Messages
  readonly spawner: Spawner
  readonly remover: Remover
  /** Persistent tools; if absent, each action runs by itself. */
  readonly persistentTools?: PersistentTools | undefined
  readonly clock: Clock
  /** Images that actions run in; if absent, a property that names one is only a label. */
  readonly images?: Images | undefined
  /** The default image, of actions that name none. */
  readonly usualImage?: string | undefined
  /** The properties that this worker declares. */
  readonly properties: readonly PlatformProperty[]
  /** The limits of each action. */
  readonly limits: Limits
  /** The time between SIGTERM and SIGKILL after a time-out, in milliseconds. */
  readonly graceMs: number
  /** Holds the actions' folders; a real path. */
  readonly directory: string
  /** Called with a system error that this machine is to blame for. */
  readonly onTrouble: (error: unknown) => void
}
