import type { Clock } from '../core/clock.ts'

/** Pages that do not wait long for what is costly: they are answered without it, and told when it has come. */
export interface InTime {
  /** @returns undefined if it takes longer than a reader should wait, counted from this call */
  of<T>(key: string, costly: Promise<T>): Promise<T | undefined>
  /** How much has come late. It changes when there is something to show that there was not. */
  lateCount(key: string): number
}

/** In milliseconds: beside what else a page takes, it is interactive within a second. */
const patienceMs = 250
/** Pages that are remembered: more than can be followed (live.ts). */
const keysMax = 200

export function createInTime(clock: Clock): InTime {
  const late = new Map<string, number>()

  function noteLate(key: string): void {
    const count = late.get(key) ?? 0
    late.delete(key)
    late.set(key, count + 1)
    const [oldest] = late.keys()
    if (late.size > keysMax && oldest !== undefined) late.delete(oldest)
  }

  return {
    of(key, costly) {
      return new Promise((resolve, reject) => {
        let isLate = false
        const stop = clock.after(patienceMs, () => {
          isLate = true
          resolve(undefined)
        })
        function ended(settle: () => void): void {
          stop()
          // A page that comes once more gets it, or the error.
          if (isLate) noteLate(key)
          else settle()
        }
        costly.then(
          (value) => ended(() => resolve(value)),
          (error: unknown) => ended(() => reject(error)),
        )
      })
    },
    lateCount: (key) => late.get(key) ?? 0,
  }
}
