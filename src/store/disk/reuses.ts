import type { Digest } from '../../core/digest.ts'
import { type Age, stepsPerCapacity } from './age.ts'
import type { DigestIndex } from './digest-index.ts'
import { createGhosts, type Ghost } from './ghosts.ts'
import {
  type Again,
  octaveOf,
  overdueOctaves,
  type Reuse,
  reusedAfter,
  reuseOctave,
  unknownReuse,
  unproven,
} from './reuse.ts'
import { cell } from './shard.ts'

/** If the first reuse comes sooner than this, it means nothing: it may be part of the same build. */
const firstReuseSteps = (stepsPerCapacity * 3) / 8

/** What was used last is kept by that alone, up to this part of the room: at the least, and at the most. */
const windowMin = 1 / 8
export const windowMax = 0.85
/** What was lost too early counts so much more than what a longer memory would have kept. */
const lostTooEarlyWeight = 2

/**
 * What a store learns from uses that come late: of each value after how long it is used again,
 * and of all of them together what part of the room recency alone should decide about.
 */
export interface Reuses {
  readonly again: Again
  /** What is known of a value that is to be stored, and may have been there before. */
  remembered(digest: Digest): Reuse
  /** It is stored: what was known of it is forgotten here, and counts for the window. */
  stored(digest: Digest, bytes: number): Reuse
  /** A value is evicted that was used last at that age. */
  evicted(digest: Digest, used: number, reuse: Reuse): void
  /** The part of the room in which what was used last is kept whatever else is known of it. */
  readonly window: number
}

/**
 * At first recency decides, as it does for as long as the store is large enough. Only what comes
 * back although it was evicted tells otherwise. If it was used longer ago than a store of this size
 * can keep by recency, the window shrinks, and what is known to be used again is kept in its
 * place; if it was lost sooner than that, the window grows.
 * @param bytesMax the capacity
 * @param index what was found at start: the window is what was then kept beside it
 */
export function createReuses(age: Age, bytesMax: number, index: DigestIndex): Reuses {
  const ghosts = createGhosts(bytesMax)
  let window = windowMax
  move(-bytesKeptForLong(index, age.now))

  function move(bytes: number): void {
    window = Math.min(windowMax, Math.max(windowMin, window + bytes / bytesMax))
  }

  return {
    again(known, steps, bytes) {
      age.passed(bytes)
      if (steps < firstReuseSteps && known === unknownReuse) return known
      return reusedAfter(known, Math.max(steps, firstReuseSteps), true)
    },
    remembered: (digest) => reuseOf(ghosts.find(digest, age.now)),
    stored(digest, bytes) {
      const ghost = ghosts.take(digest, age.now)
      if (ghost) move(ghost.idleSteps < windowMax * stepsPerCapacity ? bytes * lostTooEarlyWeight : -bytes)
      return reuseOf(ghost)
    },
    evicted: (digest, used, reuse) => ghosts.add(digest, used, unproven(reuse)),
    get window() {
      return window
    },
  }
}

function reuseOf(ghost: Ghost | undefined): Reuse {
  if (!ghost) return unknownReuse
  const { idleSteps, reuse } = ghost
  return idleSteps < firstReuseSteps ? reuse : reusedAfter(reuse, idleSteps, false)
}

/** What is used again only after more than the store can hold, and is not long overdue. */
function bytesKeptForLong(index: DigestIndex, now: number): number {
  let sum = 0
  for (const { shard, stride } of index.parts()) {
    const { cells } = shard
    for (let at = 0; at < cells.length; at += stride) {
      if (cells[at + cell.segment] === 0) continue
      const octave = reuseOctave(cells[at + cell.reuse] ?? 0)
      const overdue = octaveOf(now - (cells[at + cell.used] ?? 0)) - octave
      if (octave >= octaveOf(stepsPerCapacity) && overdue < overdueOctaves) sum += cells[at + cell.length] ?? 0
    }
  }
  return sum
}
