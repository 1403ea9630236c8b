/** So many steps of long work take about a millisecond. */
const stepsPerTurn = 2000

/** Lets the event loop turn in the middle of long work; await it after every few steps. */
export function createPause(): (steps: number) => Promise<void> | undefined {
  let taken = 0
  return (steps) => {
    taken += steps
    if (taken < stepsPerTurn) return undefined
    taken = 0
    return new Promise((resolve) => setImmediate(resolve))
  }
}
