/** What the worker tells its spawner; one line of JSON each. */
export type ToSpawner =
  | {
      readonly kind: 'start'
      readonly id: number
      /** Absolute path of the program. */
      readonly file: string
      /** As the program sees them, its own name first. */
      readonly args: readonly string[]
      readonly env: Readonly<Record<string, string>>
      readonly cwd: string
      /** Files that are made for its output. */
      readonly stdout: string
      readonly stderr: string
    }
  | {
      readonly kind: 'kill'
      readonly id: number
      /** The action's folder: processes that work in it are killed as well. */
      readonly root: string
    }

/** What the spawner tells; `at` is in milliseconds since 1970. */
export type FromSpawner =
  | { readonly kind: 'started'; readonly id: number; readonly pid: number; readonly at: number }
  | {
      readonly kind: 'failed'
      readonly id: number
      /** ENOENT, EACCES and so on. */
      readonly code: string
      readonly message: string
      readonly at: number
    }
  | {
      readonly kind: 'exited'
      readonly id: number
      /** -1 when a signal ended it. */
      readonly code: number
      readonly signal: string
      readonly at: number
    }
