import type { Platform } from './match.ts'
import { createQueue, type Queue, type Queued } from './queue.ts'

/** A task that waits for a worker. */
export interface Waiting extends Queued {
  readonly platform: Platform
  /** When it was queued the last time, in milliseconds since 1970. */
  queuedAt: number
}

/** The tasks of one platform. */
export interface Lane<T extends Waiting> {
  readonly platform: Platform
  readonly queue: Queue<T>
  /** The same tasks in the order in which they were queued. */
  readonly order: Set<T>
  /** Keys of the offers that can take them. */
  readonly served: Set<string>
  /** Since when no offer can. */
  orphanedAt: number
}

/** Every platform's lane. */
export interface Lanes<T extends Waiting> {
  readonly waiting: number
  all(): readonly Lane<T>[]
  /** Those with tasks that the offer can take. */
  busyFor(offer: string): Iterable<Lane<T>>
  /** The platform's lane; a new one asks which offers serve it. */
  open(platform: Platform, served: () => Iterable<string>): Lane<T>
  serve(lane: Lane<T>, offer: string): void
  unserve(lane: Lane<T>, offer: string): void
  push(lane: Lane<T>, task: T): void
  pop(lane: Lane<T> | undefined): T | undefined
  remove(task: T): boolean
  /** Those with tasks that no offer can take. */
  orphans(): readonly Lane<T>[]
  /** Takes out the lane's tasks that were queued up to a moment. */
  take(lane: Lane<T>, until: number): readonly T[]
}

/** Lanes without tasks are kept up to here, so that a steady platform is matched once. */
const lanesKeptMax = 256

export function createLanes<T extends Waiting>(now: () => number): Lanes<T> {
  const lanes = new Map<string, Lane<T>>()
  const busy = new Set<Lane<T>>()
  // By offer, so that a free slot never looks at lanes that are not its own.
  const busyFor = new Map<string, Set<Lane<T>>>()
  let waiting = 0

  function link(lane: Lane<T>, offer: string): void {
    const own = busyFor.get(offer)
    if (own) own.add(lane)
    else busyFor.set(offer, new Set([lane]))
  }

  function unlink(lane: Lane<T>, offer: string): void {
    const own = busyFor.get(offer)
    own?.delete(lane)
    if (own?.size === 0) busyFor.delete(offer)
  }

  function left(lane: Lane<T>, task: T): T {
    lane.order.delete(task)
    waiting -= 1
    if (lane.queue.size === 0) {
      busy.delete(lane)
      for (const offer of lane.served) unlink(lane, offer)
    }
    return task
  }

  function remove(task: T): boolean {
    const lane = lanes.get(task.platform.key)
    if (!lane?.queue.remove(task)) return false
    left(lane, task)
    return true
  }

  /** Makes room by forgetting lanes without tasks, oldest first. */
  function tidy(): void {
    for (const [key, lane] of lanes) {
      if (lanes.size <= lanesKeptMax / 2) return
      if (lane.queue.size === 0) lanes.delete(key)
    }
  }

  return {
    get waiting() {
      return waiting
    },
    all: () => [...lanes.values()],
    busyFor: (offer) => busyFor.get(offer) ?? [],
    open(platform, served) {
      const known = lanes.get(platform.key)
      if (known) return known
      if (lanes.size - busy.size > lanesKeptMax) tidy()
      const lane: Lane<T> = {
        platform,
        queue: createQueue<T>(),
        order: new Set(),
        served: new Set(served()),
        orphanedAt: now(),
      }
      lanes.set(platform.key, lane)
      return lane
    },
    serve(lane, offer) {
      lane.served.add(offer)
      if (lane.queue.size > 0) link(lane, offer)
    },
    unserve(lane, offer) {
      unlink(lane, offer)
      if (lane.served.delete(offer) && lane.served.size === 0) lane.orphanedAt = now()
    },
    push(lane, task) {
      if (lane.queue.size === 0) {
        busy.add(lane)
        for (const offer of lane.served) link(lane, offer)
      }
      lane.queue.push(task)
      lane.order.add(task)
      waiting += 1
    },
    pop(lane) {
      const task = lane?.queue.pop()
      return lane && task ? left(lane, task) : undefined
    },
    remove,
    orphans: () => [...busy].filter((lane) => lane.served.size === 0),
    take(lane, until) {
      const taken: T[] = []
      for (const task of lane.order) {
        if (task.queuedAt > until) break
        taken.push(task)
      }
      for (const task of taken) remove(task)
      return taken
    },
  }
}
