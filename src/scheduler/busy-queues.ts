import type { PlatformQueue, Waiting } from './platform-queue.ts'

/** The queues with tasks, and by offer, so that a free slot never has to look at queues that it cannot serve. */
export interface BusyQueues<T extends Waiting> {
  readonly size: number
  /** Those that the offer serves. */
  of(offer: string): Iterable<PlatformQueue<T>>
  /** Those that no offer serves. */
  orphans(): readonly PlatformQueue<T>[]
  /** The queue has got its first task. */
  add(queue: PlatformQueue<T>): void
  /** Its last task has gone. */
  remove(queue: PlatformQueue<T>): void
  /** From now on this offer serves the queue, which is in here. */
  link(queue: PlatformQueue<T>, offer: string): void
  unlink(queue: PlatformQueue<T>, offer: string): void
}

export function createBusyQueues<T extends Waiting>(): BusyQueues<T> {
  const all = new Set<PlatformQueue<T>>()
  const byOffer = new Map<string, Set<PlatformQueue<T>>>()

  function link(queue: PlatformQueue<T>, offer: string): void {
    const own = byOffer.get(offer)
    if (own) own.add(queue)
    else byOffer.set(offer, new Set([queue]))
  }

  function unlink(queue: PlatformQueue<T>, offer: string): void {
    const own = byOffer.get(offer)
    own?.delete(queue)
    if (own?.size === 0) byOffer.delete(offer)
  }

  return {
    get size() {
      return all.size
    },
    of: (offer) => byOffer.get(offer) ?? [],
    orphans: () => [...all].filter((queue) => queue.served.size === 0),
    add(queue) {
      all.add(queue)
      for (const offer of queue.served) link(queue, offer)
    },
    remove(queue) {
      all.delete(queue)
      for (const offer of queue.served) unlink(queue, offer)
    },
    link,
    unlink,
  }
}
