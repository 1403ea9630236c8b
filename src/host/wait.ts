import type { Clock } from '../core/clock.ts'

/**
 * Waits, and keeps the process alive meanwhile, since a caller awaits it.
 * @throws the signal's own reason if it has aborted or aborts first
 */
export function wait(ms: number, clock: Clock, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    // The clock's own timers do not keep the process alive.
    const hold = setInterval(() => undefined, 2 ** 30)
    const end = (settle: () => void) => {
      clearInterval(hold)
      cancel()
      signal?.removeEventListener('abort', aborted)
      settle()
    }
    const aborted = () => end(() => reject(signal?.reason))
    const cancel = clock.after(ms, () => end(resolve))
    signal?.addEventListener('abort', aborted, { once: true })
  })
}
