/** Something that could not be removed, and the system error's code that says why. */
export interface Left {
  readonly path: string
  readonly code: string
}

/** What a removal could not remove. */
export interface Leftovers {
  /** The first few, each the deepest of its branch: the folders around it remain only because of it. */
  readonly first: readonly Left[]
  readonly count: number
}

/** The list of them while the removal goes on. */
export interface LeftoverList extends Leftovers {
  add(path: Buffer, code: string): void
  /** Forgets all but so many: the others are tried once more. */
  cut(count: number): void
}

const shownMax = 8

export function createLeftovers(): LeftoverList {
  const first: Left[] = []
  let count = 0
  return {
    first,
    get count() {
      return count
    },
    add(path, code) {
      count += 1
      if (first.length < shownMax) first.push({ path: path.toString(), code })
    },
    cut(kept) {
      count = kept
      first.splice(kept)
    },
  }
}
