import { mkdirSync, rmSync } from 'node:fs'
import { Failure, messageOf } from '../core/failure.ts'
import { isMachineError } from './action-error.ts'
import type { ProcessRequest } from './command-file.ts'
import { type Enclosure, isSandbox } from './enclosure.ts'
import { createIdleSlots, slotKey } from './idle-slots.ts'
import { createLimitedSlots, type SlotKind } from './limited-slots.ts'
import type { Keeper, Limits } from './limits/limits.ts'
import { lacksRoom } from './program.ts'
import type { SandboxOptions } from './sandbox/enclosure.ts'
import type { Slot } from './slot.ts'
import type { Ended, Process, ProcessSinks } from './slot-process.ts'

/** Starts the processes of actions. */
export interface Spawner {
  /**
   * Starts a process in a slot where nothing else is running.
   * @throws Failure 'unavailable' when the machine does not let it, 'precondition' when the image does not
   */
  start(request: ProcessRequest, sinks: ProcessSinks): Promise<Process>
  /**
   * How processes are contained here, and why better ways are not available.
   * @throws Failure 'unavailable' when no process can be started
   */
  readonly way: Promise<{ readonly kind: Enclosure['kind']; readonly refusals: readonly string[] }>
  /** Limits and refusals that should be in force but are not available here, in whole sentences. */
  notes(): string[]
  /** Kills running processes, and ends the slots. */
  close(): Promise<void>
}

export interface SpawnerOptions {
  /** Emptied at the start; for this spawner only. */
  readonly directory: string
  /** A POSIX shell, and its arguments. */
  readonly shell?: readonly string[]
  /** The ways to contain processes that are tried, best first. */
  readonly ways?: readonly Enclosure['kind'][]
  /** Options of the way `sandbox`. */
  readonly sandbox?: SandboxOptions | undefined
  /** The limits of each action. */
  readonly limits?: Limits
}

const plainWays: readonly Enclosure['kind'][] = ['namespace', 'marks', 'group']

/**
 * The ways to contain processes that a worker's setting permits, best first. The profile for macOS has never run there,
 * so it is used only on request.
 */
export function waysOf(sandbox: 'auto' | 'on' | 'off', platform = process.platform): readonly Enclosure['kind'][] {
  if (sandbox === 'on') return [platform === 'darwin' ? 'seatbelt' : 'sandbox']
  return sandbox === 'auto' ? ['sandbox', ...plainWays] : plainWays
}

/**
 * Starts a slot to find out how processes can be contained here; each action that finds none free gets a new one. The
 * machine, or the worker's image, must have a POSIX shell and `mkfifo`.
 */
export function createSpawner(options: SpawnerOptions): Spawner {
  const { directory, shell = ['/bin/sh'], ways = plainWays, limits = {} } = options
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const slots = createLimitedSlots({ directory, shell, sandbox: options.sandbox, limits })
  const idle = createIdleSlots()
  let closed = false

  const choose = async () => {
    const refusals: string[] = []
    for (const kind of ways) {
      try {
        const plain = { network: false, image: undefined, limits }
        idle.add(await slots.open(kind, plain), slotKey(plain))
        return { kind, refusals }
      } catch (error) {
        refusals.push(`${kind}: ${messageOf(error)}`)
      }
    }
    throw new Failure('unavailable', `no process can be started for actions here (${refusals.join('; ')})`)
  }
  let way = choose()
  const take = async (key: string, slotKind: SlotKind): Promise<Slot> => {
    const { kind } = await way
    for (let slot = idle.take(key); slot; slot = idle.take(key)) {
      if (slot.usable) return slot
      await slots.close(slot)
    }
    return slots.open(kind, slotKind)
  }
  const giveBack = async (slot: Slot, key: string): Promise<void> => {
    if (!slot.usable || closed) return slots.close(slot)
    const gone = idle.add(slot, key)
    if (gone.length > 0) await Promise.all(gone.map(slots.close))
  }
  // The caller that starts a process gets the failure, and the next one tries again: the machine may have been out of
  // memory.
  way.catch(() => undefined)

  return {
    get way() {
      return way
    },
    async start(request, sinks) {
      if (closed) throw new Failure('unavailable', 'the worker is closing')
      await way.catch(() => {
        way = choose()
        return way
      })
      const { kind } = await way
      if (request.image !== undefined) assertRunsImages(kind)
      const network = isSandbox(kind) && (request.network ?? false)
      const slotKind = { network, image: request.image, limits: request.allowed ?? limits }
      const key = slotKey(slotKind)
      const slot = await take(key, slotKind).catch((error: unknown) => {
        throw request.image === undefined ? error : imageSlotError(error)
      })
      if (closed) {
        await slots.close(slot)
        throw new Failure('unavailable', 'the worker is closing')
      }
      try {
        const keeper = slots.keeperOf(slot)
        keeper?.begin()
        const started = slot.run(request, sinks)
        const ended = started.ended.then((each) => (keeper ? withCounts(each, keeper) : each))
        return { ...started, ended: ended.finally(() => giveBack(slot, key)) }
      } catch (error) {
        await giveBack(slot, key)
        throw error
      }
    },
    notes: slots.notes,
    async close() {
      closed = true
      await way.catch(() => undefined)
      idle.clear()
      await slots.closeAll()
    },
  }
}

function withCounts(ended: Ended, keeper: Keeper): Ended {
  return { ...ended, met: keeper.newCounts(), used: { ...ended.used, peakMemoryBytes: keeper.peakMemory() } }
}

/** @throws Failure 'precondition' */
export function assertRunsImages(kind: Enclosure['kind']): void {
  if (kind === 'sandbox') return
  const instead = kind === 'seatbelt' ? 'has that of macOS' : 'runs them without one'
  throw new Failure(
    'precondition',
    `actions can run in an image only in a sandbox of Linux, and this worker ${instead}`,
    {
      next: ['"native doctor" says what a sandbox needs on this machine.'],
    },
  )
}

/**
 * When a slot does not start although others do, the image is the cause, unless the machine is in trouble. It would
 * fail on the next worker as well, and UNAVAILABLE would make one worker after another rest.
 */
function imageSlotError(error: unknown): unknown {
  const isOfMachine = isMachineError(error) || lacksRoom(messageOf(error))
  if (isOfMachine || !(error instanceof Failure) || error.kind !== 'unavailable') return error
  return new Failure('precondition', `no sandbox can be created from the image: ${messageOf(error)}`, { cause: error })
}
