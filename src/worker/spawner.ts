import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Failure } from '../core/failure.ts'
import { jsonLine, readJsonLines } from '../wire/jsonlines.ts'
import { killTree } from './process-tree.ts'
import type { FromSpawner, ToSpawner } from './spawner-lines.ts'

/** One process to start; fields as in spawner-lines.ts. */
type SpawnRequest = Omit<Extract<ToSpawner, { kind: 'start' }>, 'kind' | 'id'>

export interface Spawner {
  /** Starts a process in a session of its own, with an empty standard input. */
  start(request: SpawnRequest): Spawned
  /** Kills what runs and ends the helper. */
  close(): Promise<void>
}

interface Spawned {
  /**
   * How it ended. Everything of its process group is dead by then.
   * @throws Failure 'unavailable' when the helper itself ended
   */
  readonly ended: Promise<Ended>
  /** Settles when it runs, or could not be started. */
  readonly started: Promise<void>
  /** Kills its whole tree, and what works in its folder. */
  kill(root: string): void
}

type Ended =
  | {
      readonly kind: 'exited'
      readonly code: number
      readonly signal: string
      readonly startedAt: number
      readonly at: number
    }
  /** It could not be started; `code` is a system error's. */
  | {
      readonly kind: 'failed'
      readonly code: string
      readonly message: string
      readonly startedAt: number
      readonly at: number
    }

/** A name in an answer is at most a path long. */
const lineLengthMax = 64 * 1024
const helper = new URL(`./spawner-main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)
/** A small young generation keeps it lean; it allocates little. */
const helperFlags = ['--max-semi-space-size=1', '--no-warnings']

interface Waiting {
  pid: number
  startedAt: number
  readonly running: () => void
  readonly resolve: (ended: Ended) => void
  readonly reject: (error: Failure) => void
}

type Helper = ChildProcessByStdio<Writable, Readable, null>

/** Starts the helper process; a new one is started when it has ended unasked. */
export function createSpawner(): Spawner {
  const waiting = new Map<number, Waiting>()
  let child: Helper | undefined
  let ids = 0
  let closed = false

  const lost = (own: Helper) => {
    if (child === own) child = undefined
    for (const [id, each] of waiting) {
      waiting.delete(id)
      // The helper cannot do it any more.
      if (each.pid > 0) killTree(each.pid)
      each.running()
      each.reject(new Failure('unavailable', "the worker's helper process ended while the action ran"))
    }
  }
  const current = (): Helper => {
    if (child) return child
    const own = spawn(process.execPath, [...helperFlags, fileURLToPath(helper)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {},
    })
    child = own
    // A pipe that broke is noticed by the helper's end.
    own.stdin.on('error', () => undefined)
    own.once('error', () => lost(own))
    receive(own, waiting).then(
      () => lost(own),
      () => own.kill('SIGKILL'),
    )
    own.once('exit', () => lost(own))
    return own
  }
  current()

  return {
    start(request) {
      if (closed) throw new Failure('unavailable', 'the worker is closing')
      ids += 1
      const id = ids
      let running: () => void = () => undefined
      const started = new Promise<void>((resolve) => {
        running = resolve
      })
      const ended = new Promise<Ended>((resolve, reject) => {
        waiting.set(id, { pid: 0, startedAt: Date.now(), running, resolve, reject })
      })
      const own = current()
      const send = (message: ToSpawner) => own.stdin.write(jsonLine(message))
      send({ kind: 'start', id, ...request })
      return { started, ended, kill: (root) => void send({ kind: 'kill', id, root }) }
    },
    async close() {
      closed = true
      const own = child
      if (!own || own.exitCode !== null || own.signalCode !== null) return
      own.stdin.end()
      await once(own, 'exit')
    },
  }
}

async function receive(own: Helper, waiting: Map<number, Waiting>): Promise<void> {
  for await (const line of readJsonLines(own.stdout, lineLengthMax)) {
    const message = line as FromSpawner
    const each = waiting.get(message.id)
    if (!each) continue
    if (message.kind === 'started') {
      each.pid = message.pid
      each.startedAt = message.at
    } else {
      waiting.delete(message.id)
      each.resolve({ ...message, startedAt: each.startedAt })
    }
    each.running()
  }
}
