import { isDeepStrictEqual } from 'node:util'
import type { ServerSpec, SupervisorStatus } from '../../config/supervisor.ts'
import { supervisorVersion } from '../../config/supervisor.ts'
import { createSlot, type Slot, type SlotOptions } from './slot.ts'

/**
 * Shutdown order: a worker needs the scheduler and the cache to deliver its results, and both report the latest builds
 * to the console.
 */
const endOrder: readonly ServerSpec['role'][] = ['worker', 'scheduler', 'cas', 'console']

export interface SupervisorOptions extends Omit<SlotOptions, 'changed'> {
  readonly pid: number
  /** Stores the status where the driver finds it after this process is gone. */
  readonly record: (status: SupervisorStatus) => void
}

export interface Supervisor {
  /** Makes these the running servers. Unchanged ones are left alone. */
  apply(servers: readonly ServerSpec[]): void
  status(): SupervisorStatus
  /** Settles with the first status whose revision is above `after`, or at the end of waitMs. */
  next(after: number, waitMs: number): Promise<SupervisorStatus>
  /** Ends all servers, workers first, each group within graceMs. */
  stop(graceMs: number): Promise<void>
}

/** Runs servers: one slot per name, and a record of what runs. */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { clock, log } = options
  const slots = new Map<string, Slot>()
  const waiting = new Set<() => void>()
  let desired: readonly ServerSpec[] = []
  let revision = 0
  let stopping = false

  function changed(): void {
    revision += 1
    options.record(status())
    for (const wake of [...waiting]) wake()
  }

  function status(): SupervisorStatus {
    const servers = [...slots.values()].map((slot) => slot.view())
    return { version: supervisorVersion, pid: options.pid, revision, desired: [...desired], servers }
  }

  function apply(servers: readonly ServerSpec[]): void {
    if (stopping) return
    desired = servers
    changed()
    reconcile(servers).catch((error: unknown) => log.error('cannot apply', { error: String(error) }))
  }

  /** First stops or changes servers, in the order that lets work in flight finish; then starts new ones. */
  async function reconcile(servers: readonly ServerSpec[]): Promise<void> {
    const byName = new Map(servers.map((spec) => [spec.name, spec]))
    for (const role of endOrder) {
      const outdated = slotsOf(role).filter((slot) => {
        const { spec } = slot.view()
        return !isDeepStrictEqual(byName.get(spec.name) ?? null, spec)
      })
      await Promise.all(outdated.map((slot) => slot.end(slot.view().spec.drainMs)))
      if (desired !== servers || stopping) return
    }
    for (const [name, slot] of slots) if (slot.empty && !byName.has(name)) slots.delete(name)
    for (const spec of servers) place(spec)
    changed()
  }

  function place(spec: ServerSpec): void {
    const slot = slots.get(spec.name)
    if (slot) slot.want(spec)
    else slots.set(spec.name, createSlot(spec, { clock, log, launch: options.launch, changed }))
  }

  function slotsOf(role: ServerSpec['role']): Slot[] {
    return [...slots.values()].filter((slot) => slot.view().spec.role === role)
  }

  async function next(after: number, waitMs: number): Promise<SupervisorStatus> {
    if (revision > after || waitMs === 0) return status()
    await new Promise<void>((resolve) => {
      const wake = () => {
        cancel()
        waiting.delete(wake)
        resolve()
      }
      const cancel = clock.after(waitMs, wake)
      waiting.add(wake)
    })
    return status()
  }

  async function stop(graceMs: number): Promise<void> {
    stopping = true
    for (const role of endOrder) await Promise.all(slotsOf(role).map((slot) => slot.end(graceMs)))
  }

  return { apply, status, next, stop }
}
