import type { Clock } from '../../core/clock.ts'
import { sizeText, spanText } from '../../core/units.ts'
import type { ContentDigest } from '../../image/content-digest.ts'
import type { CopyProgress } from '../../image/copy.ts'

export interface ProgressOptions {
  readonly clock: Clock
  readonly say: (text: string) => void
  /** Minimum milliseconds between two updates. */
  readonly everyMs: number
  /** Draw a bar, for a terminal. */
  readonly bar: boolean
}

const barWidth = 24
/** Earlier, a rate is meaningless. */
const restToldMs = 2000

/** Formats a copy's progress as a line: a bar, bytes, rate, time left, and what was already there. */
export function copyProgress(options: ProgressOptions): CopyProgress & { summary(): string } {
  const { clock, say, everyMs } = options
  const began = clock.now()
  const planned = new Map<ContentDigest, number>()
  let moved = 0
  let skipped = 0
  let skippedBytes = 0
  let mounted = 0
  let told = began

  const total = (): number => [...planned.values()].reduce((sum, size) => sum + size, 0)
  const rate = (): string => `${sizeText(Math.round((moved / Math.max(1, clock.now() - began)) * 1000))}/s`
  /** The time left at this rate; empty until it can be estimated. */
  const rest = (all: number): string => {
    const left = all - moved - skippedBytes
    const ms = clock.now() - began
    return moved > 0 && left > 0 && ms >= restToldMs
      ? `, ${spanText(Math.ceil(((left / moved) * ms) / 1000) * 1000)} left`
      : ''
  }
  const notes = (): string => {
    const list = [...(skipped > 0 ? [`${skipped} already there`] : []), ...(mounted > 0 ? [`${mounted} mounted`] : [])]
    return list.length > 0 ? `; ${list.join(', ')}` : ''
  }
  const tell = (): void => {
    if (clock.now() - told < everyMs) return
    told = clock.now()
    const all = total()
    const drawn = options.bar ? `${bar(all === 0 ? 1 : (moved + skippedBytes) / all)} ` : ''
    say(`${drawn}${sizeText(moved + skippedBytes)} of ${sizeText(all)}, ${rate()}${rest(all)}${notes()}`)
  }
  return {
    planned(descriptors) {
      for (const each of descriptors) planned.set(each.digest, each.size)
    },
    moved(_, bytes) {
      moved += bytes
      tell()
    },
    finished(descriptor, outcome) {
      if (outcome !== 'written') skippedBytes += descriptor.size
      if (outcome === 'present') skipped += 1
      if (outcome === 'mounted') mounted += 1
      tell()
    },
    summary: () => `${sizeText(moved)} of ${sizeText(total())} sent${moved === 0 ? '' : `, ${rate()}`}${notes()}`,
  }
}

function bar(share: number): string {
  const full = Math.max(0, Math.min(barWidth, Math.round(share * barWidth)))
  return `[${'#'.repeat(full)}${'-'.repeat(barWidth - full)}]`
}
