/** What a queue needs to know about its items; it maintains `position` itself. */
export interface Queued {
  /** No client is listening now: whatever its priority, it waits behind all wanted items. */
  unwanted: boolean
  /** Lower is sooner (rule 33); negative ones are legal. */
  priority: number
  /** Rises with each item that arrives; decides among equal priorities. */
  readonly arrival: number
  /** Its index in its queue's heap; -1 while it is not in one. */
  position: number
}

/** Wanted items first, by priority, then arrival. Every change costs O(log n), peeking O(1). */
export interface Queue<T extends Queued> {
  readonly size: number
  /** The next item. */
  peek(): T | undefined
  push(item: T): void
  pop(): T | undefined
  /** Removes an item, wherever it is in the queue; false if it is not in this queue. */
  remove(item: T): boolean
}

/** Does `a` come before `b`, in one queue or across several? */
export function comesBefore(a: Queued, b: Queued): boolean {
  if (a.unwanted !== b.unwanted) return b.unwanted
  return a.priority < b.priority || (a.priority === b.priority && a.arrival < b.arrival)
}

/** An empty queue: a binary heap whose items know their index, so that any can be removed. */
export function createQueue<T extends Queued>(): Queue<T> {
  const heap: T[] = []

  function put(item: T, at: number): void {
    heap[at] = item
    item.position = at
  }

  function rise(item: T, from: number): void {
    let at = from
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || !comesBefore(item, parent)) break
      put(parent, at)
      at = above
    }
    put(item, at)
  }

  function sink(item: T, from: number): void {
    let at = from
    for (;;) {
      const left = 2 * at + 1
      let child = heap[left]
      if (child === undefined) break
      let below = left
      const right = heap[left + 1]
      if (right !== undefined && comesBefore(right, child)) {
        child = right
        below = left + 1
      }
      if (!comesBefore(child, item)) break
      put(child, at)
      at = below
    }
    put(item, at)
  }

  function remove(item: T): boolean {
    const at = item.position
    if (heap[at] !== item) return false
    item.position = -1
    const last = heap.pop()
    if (last === undefined || last === item) return true
    const above = at > 0 ? heap[(at - 1) >> 1] : undefined
    if (above !== undefined && comesBefore(last, above)) rise(last, at)
    else sink(last, at)
    return true
  }

  return {
    get size() {
      return heap.length
    },
    peek: () => heap[0],
    push(item) {
      rise(item, heap.length)
    },
    pop() {
      const first = heap[0]
      if (first !== undefined) remove(first)
      return first
    },
    remove,
  }
}
