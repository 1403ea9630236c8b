import { randomBytes } from 'node:crypto'
import { errnoOf, Failure } from '../core/failure.ts'
import type { Enclosure } from './enclosure.ts'
import { groupEnclosure } from './group.ts'
import { type CgroupPlaces, findCgroups } from './limits/cgroups.ts'
import { keepSlot, keptBy, removeLeftCgroups } from './limits/keeper.ts'
import { type Keeper, type Limits, limitLines, unkeptTexts } from './limits/limits.ts'
import { namespaceEnclosure } from './namespace.ts'
import { searchPath } from './program.ts'
import { type SandboxOptions, sandboxEnclosure } from './sandbox/enclosure.ts'
import { seatbeltEnclosure } from './sandbox/seatbelt.ts'
import { unfilteredText } from './sandbox/seccomp.ts'
import { openSlot, type Slot } from './slot.ts'

/** What all slots of one kind have in common. */
export interface SlotKind {
  readonly network: boolean
  readonly image: string | undefined
  readonly limits: Limits
}

/** All slots of a spawner, each with what limits its actions. */
export interface LimitedSlots {
  /** Starts a slot. @throws Failure 'unavailable' when the system does not let it */
  open(way: Enclosure['kind'], kind: SlotKind): Promise<Slot>
  keeperOf(slot: Slot): Keeper | undefined
  close(slot: Slot): Promise<void>
  closeAll(): Promise<void>
  /** Limits and filters that should be in force but are not available here, in whole sentences. */
  notes(): string[]
}

export interface LimitedSlotsOptions {
  /** Holds the slots' files. */
  readonly directory: string
  /** A POSIX shell, and its arguments. */
  readonly shell: readonly string[]
  /** Options of the way `sandbox`. */
  readonly sandbox: SandboxOptions | undefined
  /** The worker's own limits, of each action. */
  readonly limits: Limits
}

export function createLimitedSlots({ directory, shell, sandbox, limits }: LimitedSlotsOptions): LimitedSlots {
  const slots = new Map<Slot, Keeper>()
  let places = findCgroups()
  removeLeftCgroups(places)
  let unfiltered: string | undefined

  const open = async (way: Enclosure['kind'], kind: SlotKind, at = places): Promise<Slot> => {
    const enclosure = enclosureOf(way, kind, sandbox)
    const slot = await openSlot({
      enclosure,
      shell,
      directory,
      path: searchPath,
      limits: linesOf(way, kind.limits, at),
    })
    try {
      if (way === 'sandbox') unfiltered = unfilteredText(slot.shell, process.arch, searchPath)
      slots.set(slot, keepSlot(randomBytes(8).toString('hex'), slot.shell, kind.limits, at))
      return slot
    } catch (error) {
      await slot.close()
      if (errnoOf(error) === undefined) throw error
      // Whether cgroups may be used only turns out on trying; where not, each process is limited by itself. If the
      // kernel rejects one action's own limits, that says nothing about cgroups in general.
      if (kind.limits === limits) places = {}
      return open(way, kind, {})
    }
  }
  const close = async (slot: Slot): Promise<void> => {
    const keeper = slots.get(slot)
    slots.delete(slot)
    await slot.close()
    keeper?.remove()
  }
  return {
    open: (way, kind) => open(way, kind),
    keeperOf: (slot) => slots.get(slot),
    close,
    async closeAll() {
      await Promise.all([...slots.keys()].map(close))
    },
    notes: () => [...unkeptTexts(limits, keptBy(places, limits)), ...(unfiltered === undefined ? [] : [unfiltered])],
  }
}

/**
 * What no cgroup limits is limited per process. The number of processes is counted per user namespace, which root does
 * not get.
 */
function linesOf(way: Enclosure['kind'], limits: Limits, places: CgroupPlaces): string[] {
  const kept = keptBy(places, limits)
  const isApart = process.getuid?.() !== 0 && (way === 'sandbox' || way === 'namespace')
  return limitLines(limits, { memory: !kept.includes('memory'), pids: isApart && !kept.includes('pids') })
}

function enclosureOf(
  way: Enclosure['kind'],
  { network, image }: SlotKind,
  sandbox: SandboxOptions | undefined,
): Enclosure {
  const isRoot = process.getuid?.() === 0
  if (way === 'namespace') return namespaceEnclosure(isRoot, searchPath)
  if (way === 'marks' || way === 'group') return groupEnclosure(way === 'marks')
  if (!sandbox) throw new Failure('unavailable', 'no folder was given for sandboxes')
  const name = randomBytes(8).toString('hex')
  if (way === 'seatbelt') return seatbeltEnclosure(sandbox, name, network)
  return sandboxEnclosure(sandbox, name, network, image, isRoot, searchPath)
}
