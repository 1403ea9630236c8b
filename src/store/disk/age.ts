import type { Clock } from '../../core/clock.ts'

/**
 * Age is measured in bytes, not in time: a store that is idle does not age. Bytes count when
 * they are written, and when they are used again after a while, so that between two uses of a
 * value there is as much age as the others take that were used meanwhile: a store that evicts
 * by last use would need that much room to keep it.
 */
export interface Age {
  /** Steps so far. The index has 32 bits for them: one run of the store may write a million times its capacity. */
  readonly now: number
  /** The same, of what was written alone. */
  readonly written: number
  wrote(bytes: number): void
  /** What is in the store has been used again. */
  passed(bytes: number): void
  /** How long ago that age began, in milliseconds: what was used at it was used since. Undefined when that is not known. */
  millisecondsSince(age: number): number | undefined
}

/** Steps in which a store ages by all that it can hold. */
export const stepsPerCapacity = 4096
/** One step of age. */
export const ageStepBytes = (bytesMax: number) => Math.max(1, bytesMax / stepsPerCapacity)
/** For how many steps it is remembered when they began. */
const datedSteps = 8192

/** @param start the age that what is already stored has reached */
export function createAge(bytesMax: number, start: number, clock: Clock): Age {
  const step = ageStepBytes(bytesMax)
  const begun = new Float64Array(datedSteps)
  let bytesPassed = 0
  let bytesWritten = 0
  let now = start
  begun[now % datedSteps] = clock.now()

  function passed(bytes: number): void {
    bytesPassed += bytes
    const reached = start + Math.floor(bytesPassed / step)
    if (reached === now) return
    const time = clock.now()
    for (let at = Math.max(now + 1, reached - datedSteps + 1); at <= reached; at += 1) begun[at % datedSteps] = time
    now = reached
  }

  return {
    get now() {
      return now
    },
    get written() {
      return start + Math.floor(bytesWritten / step)
    },
    wrote(bytes) {
      bytesWritten += bytes
      passed(bytes)
    },
    passed,
    millisecondsSince: (age) =>
      age < start || age > now || now - age >= datedSteps ? undefined : clock.now() - (begun[age % datedSteps] ?? 0),
  }
}
