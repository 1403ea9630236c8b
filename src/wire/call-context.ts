import type { Clock } from '../core/clock.ts'
import type { Door } from './door.ts'
import type { BufferPool } from './pool.ts'
import type { Code, Method } from './rpc.ts'

/** Where a server reports bugs; telemetry's Log is one. */
export interface ServerLog {
  error(message: string, fields?: object): void
  /** For what is not our bug but worth knowing. */
  warn?(message: string, fields?: object): void
}

/** Shared by all calls of a server. */
export interface CallContext {
  readonly methods: ReadonlyMap<string, Method>
  readonly receiveBytesMax: number
  readonly pool: BufferPool
  readonly clock: Clock
  readonly log: ServerLog | undefined
  /** Who may do what; without it, everybody may do everything. */
  readonly door?: Door | undefined
  /** Called at the end of each call of a known method. */
  readonly observe: ((method: string, code: Code, seconds: number) => void) | undefined
}
