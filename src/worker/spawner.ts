import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { errnoOf, Failure, messageOf } from '../core/failure.ts'
import { isMachineError } from './action-error.ts'
import type { ProcessRequest } from './command-file.ts'
import type { Enclosure } from './enclosure.ts'
import { groupEnclosure } from './group.ts'
import { type CgroupPlaces, findCgroups } from './limits/cgroups.ts'
import { keepSlot, keptBy, removeLeftCgroups } from './limits/keeper.ts'
import { type Keeper, type Limits, limitLines, unkeptTexts } from './limits/limits.ts'
import { namespaceEnclosure } from './namespace.ts'
import { lacksRoom, searchPath } from './program.ts'
import { type SandboxOptions, sandboxEnclosure } from './sandbox/enclosure.ts'
import { unfilteredText } from './sandbox/seccomp.ts'
import { openSlot, type Slot } from './slot.ts'
import type { Process, ProcessSinks } from './slot-process.ts'

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

/** For how many kinds of slots idle ones are kept. */
const idleKindsMax = 8

const plainWays: readonly Enclosure['kind'][] = ['namespace', 'marks', 'group']

/** The ways to contain processes that a worker's setting permits, best first. */
export function waysOf(sandbox: 'auto' | 'on' | 'off'): readonly Enclosure['kind'][] {
  if (sandbox === 'on') return ['sandbox']
  return sandbox === 'auto' ? ['sandbox', ...plainWays] : plainWays
}

/**
 * Starts a slot to find out how processes can be contained here; each action that finds none free gets a new one. The
 * machine, or the worker's image, must have a POSIX shell and `mkfifo`.
 */
export function createSpawner(options: SpawnerOptions): Spawner {
  const { directory, shell = ['/bin/sh'], ways = plainWays } = options
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  /** By kind: network access, image and limits of the actions. */
  const idle = new Map<string, Slot[]>()
  const slots = new Map<Slot, Keeper>()
  const limits = options.limits ?? {}
  let places = findCgroups()
  removeLeftCgroups(places)
  let closed = false
  let unfiltered: string | undefined

  const open = async (kind: Enclosure['kind'], slotKind: SlotKind, at = places): Promise<Slot> => {
    const { network, image, limits: allowed } = slotKind
    const enclosure = enclosureOf(kind, network, image, options.sandbox)
    const slot = await openSlot({
      enclosure,
      shell,
      directory,
      path: searchPath,
      limits: linesOf(kind, allowed, at),
    })
    try {
      if (kind === 'sandbox') unfiltered = unfilteredText(slot.shell, process.arch, searchPath)
      slots.set(slot, keepSlot(randomBytes(8).toString('hex'), slot.shell, allowed, at))
      return slot
    } catch (error) {
      await slot.close()
      if (errnoOf(error) === undefined) throw error
      // Whether cgroups may be used only turns out on trying; where not, each process is limited by itself. If the
      // kernel rejects one action's own limits, that says nothing about cgroups in general.
      if (allowed === limits) places = {}
      return open(kind, slotKind, {})
    }
  }
  const choose = async () => {
    const refusals: string[] = []
    for (const kind of ways) {
      try {
        const plain = { network: false, image: undefined, limits }
        idle.set(idleKey(plain), [await open(kind, plain)])
        return { kind, refusals }
      } catch (error) {
        refusals.push(`${kind}: ${messageOf(error)}`)
      }
    }
    throw new Failure('unavailable', `no process can be started for actions here (${refusals.join('; ')})`)
  }
  const drop = async (slot: Slot): Promise<void> => {
    const keeper = slots.get(slot)
    slots.delete(slot)
    await slot.close()
    keeper?.remove()
  }
  let way = choose()
  const take = async (key: string, slotKind: SlotKind): Promise<Slot> => {
    const { kind } = await way
    const free = idle.get(key) ?? []
    for (let slot = free.pop(); slot; slot = free.pop()) {
      if (slot.usable) return slot
      await drop(slot)
    }
    idle.delete(key)
    return open(kind, slotKind)
  }
  const giveBack = async (slot: Slot, key: string): Promise<void> => {
    if (!slot.usable || closed) return drop(slot)
    const free = [...(idle.get(key) ?? []), slot]
    // The most recently used kind of slots is evicted last.
    idle.delete(key)
    idle.set(key, free)
    const [oldest] = idle.keys()
    if (idle.size <= idleKindsMax || oldest === undefined) return
    const gone = idle.get(oldest) ?? []
    idle.delete(oldest)
    await Promise.all(gone.map(drop))
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
      const isSandboxed = kind === 'sandbox'
      const network = isSandboxed && (request.network ?? false)
      const slotKind = { network, image: request.image, limits: request.allowed ?? limits }
      const key = idleKey(slotKind)
      const slot = await take(key, slotKind).catch((error: unknown) => {
        throw request.image === undefined ? error : imageSlotError(error)
      })
      if (closed) {
        await drop(slot)
        throw new Failure('unavailable', 'the worker is closing')
      }
      try {
        const keeper = slots.get(slot)
        const started = slot.run(request, sinks)
        const ended = started.ended.then((each) => ({ ...each, ...(keeper && { met: keeper.newCounts() }) }))
        return { ...started, ended: ended.finally(() => giveBack(slot, key)) }
      } catch (error) {
        await giveBack(slot, key)
        throw error
      }
    },
    notes: () => [...unkeptTexts(limits, keptBy(places, limits)), ...(unfiltered === undefined ? [] : [unfiltered])],
    async close() {
      closed = true
      await way.catch(() => undefined)
      idle.clear()
      await Promise.all([...slots.keys()].map((slot) => drop(slot)))
    },
  }
}

/** @throws Failure 'precondition' */
export function assertRunsImages(kind: Enclosure['kind']): void {
  if (kind === 'sandbox') return
  throw new Failure(
    'precondition',
    'actions can run in an image only in a sandbox, and this worker runs them without one',
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

/** What all slots of one kind have in common. */
interface SlotKind {
  readonly network: boolean
  readonly image: string | undefined
  readonly limits: Limits
}

function idleKey({ network, image, limits }: SlotKind): string {
  const { memoryBytes, cpus, pids, fileBytes, diskBytes } = limits
  return JSON.stringify([network, image, memoryBytes, cpus, pids, fileBytes, diskBytes])
}

/**
 * What no cgroup limits is limited per process. The number of processes is counted per user namespace, which root does
 * not get.
 */
function linesOf(kind: Enclosure['kind'], limits: Limits, places: CgroupPlaces): string[] {
  const kept = keptBy(places, limits)
  const isApart = process.getuid?.() !== 0 && (kind === 'sandbox' || kind === 'namespace')
  return limitLines(limits, { memory: !kept.includes('memory'), pids: isApart && !kept.includes('pids') })
}

function enclosureOf(
  kind: Enclosure['kind'],
  network: boolean,
  image: string | undefined,
  sandbox: SandboxOptions | undefined,
): Enclosure {
  const isRoot = process.getuid?.() === 0
  if (kind === 'namespace') return namespaceEnclosure(isRoot, searchPath)
  if (kind !== 'sandbox') return groupEnclosure(kind === 'marks')
  if (!sandbox) throw new Failure('unavailable', 'no folder was given for sandboxes')
  return sandboxEnclosure(sandbox, randomBytes(8).toString('hex'), network, image, isRoot, searchPath)
}
