/**
 * Age is measured in bytes written, not in time: a store that is idle does not age. One step
 * is a 4096th of the capacity; segments and large files are put in order by it.
 */
export interface Age {
  /** Steps so far; fits a u32. */
  readonly now: number
  wrote(bytes: number): void
}

/** @param start what what is already there has reached */
export function createAge(bytesMax: number, start: number): Age {
  const step = Math.max(1, bytesMax / 4096)
  let now = start
  let rest = 0
  return {
    get now() {
      return now
    },
    wrote(bytes) {
      rest += bytes
      if (rest < step) return
      now += Math.floor(rest / step)
      rest %= step
    },
  }
}
