import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Digest } from '../../../src/core/digest.ts'
import { openDisk } from '../../../src/store/disk/disk.ts'
import { quietLog } from '../../fixture/quiet-log.ts'

/** A cache of a fixed size in bytes, by what it does when a blob is asked for. */
export interface Policy {
  /** Was the blob there? If not, it is stored. @param bytes its size, the same each time */
  use(id: number, bytes: number): boolean | Promise<boolean>
  close(): Promise<void>
}

export type Open = (bytesMax: number) => Policy | Promise<Policy>

interface Item {
  readonly bytes: number
  uses: number
}

/** Maps keep the order of insertion: the first is what would go next. */
type Queue = Map<number, Item>

function first(queue: Queue): [number, Item] | undefined {
  for (const entry of queue) return entry
  return undefined
}

const close = async () => undefined

/** What came first goes first, or what was used the longest ago. */
function queued(byUse: boolean): Open {
  return (bytesMax) => {
    const queue: Queue = new Map()
    let held = 0
    return {
      use(id, bytes) {
        const item = queue.get(id)
        if (item && byUse) queue.delete(id)
        if (item && byUse) queue.set(id, item)
        if (item || bytes > bytesMax) return item !== undefined
        for (let oldest = first(queue); oldest && held + bytes > bytesMax; oldest = first(queue)) {
          queue.delete(oldest[0])
          held -= oldest[1].bytes
        }
        queue.set(id, { bytes, uses: 0 })
        held += bytes
        return false
      },
      close,
    }
  }
}

const smallShare = 0.1
const usesMax = 3

/** S3-FIFO (Yang et al., SOSP 2023): a small queue for what is new, a main one, and a memory of what was turned away. */
const s3fifo: Open = (bytesMax) => {
  const small: Queue = new Map()
  const main: Queue = new Map()
  const ghost: Queue = new Map()
  const held = { small: 0, main: 0, ghost: 0 }

  function put(to: 'small' | 'main' | 'ghost', id: number, item: Item): void {
    const queue = { small, main, ghost }[to]
    queue.set(id, item)
    held[to] += item.bytes
  }

  function take(from: 'small' | 'main' | 'ghost', id: number): Item | undefined {
    const queue = { small, main, ghost }[from]
    const item = queue.get(id)
    if (item) held[from] -= item.bytes
    queue.delete(id)
    return item
  }

  function evictSmall([id]: [number, Item]): void {
    const item = take('small', id)
    if (!item) return
    if (item.uses > 1) {
      put('main', id, { bytes: item.bytes, uses: 0 })
      return
    }
    put('ghost', id, item)
    for (let oldest = first(ghost); oldest && held.ghost > bytesMax * (1 - smallShare); oldest = first(ghost))
      take('ghost', oldest[0])
  }

  function evictMain([id]: [number, Item]): void {
    const item = take('main', id)
    if (item && item.uses > 0) put('main', id, { bytes: item.bytes, uses: item.uses - 1 })
  }

  function evict(): void {
    const [newest, oldest] = [first(small), first(main)]
    if (newest && (held.small >= bytesMax * smallShare || !oldest)) evictSmall(newest)
    else if (oldest) evictMain(oldest)
  }

  return {
    use(id, bytes) {
      const item = small.get(id) ?? main.get(id)
      if (item) item.uses = Math.min(usesMax, item.uses + 1)
      if (item || bytes > bytesMax) return item !== undefined
      const known = take('ghost', id) !== undefined
      while (held.small + held.main + bytes > bytesMax) evict()
      put(known ? 'main' : 'small', id, { bytes, uses: 0 })
      return false
    },
    close,
  }
}

/** SIEVE (Zhang et al., NSDI 2024): one queue, one bit, and a hand that goes from the oldest to the newest. */
const sieve: Open = (bytesMax) => {
  const items: Queue = new Map()
  // What the hand has yet to look at; what came since waits for its next round.
  let hand = items.entries()
  let held = 0

  function evict(): void {
    for (;;) {
      const { done, value } = hand.next()
      if (done) {
        hand = items.entries()
        continue
      }
      const [id, item] = value
      if (item.uses > 0) {
        item.uses = 0
        continue
      }
      items.delete(id)
      held -= item.bytes
      return
    }
  }

  return {
    use(id, bytes) {
      const item = items.get(id)
      if (item) item.uses = 1
      if (item || bytes > bytesMax) return item !== undefined
      while (held + bytes > bytesMax) evict()
      items.set(id, { bytes, uses: 0 })
      held += bytes
      return false
    },
    close,
  }
}

/** What a disk store gives to blobs; the rest is for action results. */
const blobsShare = 15 / 16

/** Our disk store itself, on a disk, with all that its records take beside the blobs. */
const ours: Open = async (bytesMax) => {
  const path = await mkdtemp(join(tmpdir(), 'native-eviction-'))
  const store = await openDisk({
    path: join(path, 'store'),
    bytesMax: Math.ceil(bytesMax / blobsShare) + 64,
    durability: 'process',
    log: quietLog,
  })
  const content = Buffer.alloc(16 * 1024 * 1024)
  return {
    async use(id, bytes) {
      const digest: Digest = { fn: 'sha256', hash: createHash('sha256').update(`${id}`).digest('hex'), size: bytes }
      if ((await store.blobs.findMissing([digest])).length === 0) return true
      await store.blobs.put(digest, content.subarray(0, bytes)).catch((error: unknown) => {
        // What is larger than the store is turned away, as by the others.
        if ((error as { kind?: unknown }).kind !== 'exhausted') throw error
      })
      return false
    },
    async close() {
      await store.close()
      await rm(path, { recursive: true })
    },
  }
}

/** By their names; ours is first. */
export const policies: Readonly<Record<string, Open>> = {
  ours,
  LRU: queued(true),
  'S3-FIFO': s3fifo,
  SIEVE: sieve,
  FIFO: queued(false),
}
