import { spanText } from '../src/core/units.ts'

const againMs = 20_000

/** From now on relative times update themselves. */
export function startTimes(): void {
  setInterval(() => {
    if (document.visibilityState === 'hidden') return
    const now = Date.now()
    for (const time of document.querySelectorAll('time')) {
      const text = spanText(Math.max(0, now - Date.parse(time.dateTime)))
      const whole = 'for' in time.dataset ? text : `${text} ago`
      if (time.textContent !== whole) time.textContent = whole
    }
  }, againMs)
}
