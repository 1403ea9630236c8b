import { type BuildRecord, tookMs } from '../core/build-history.ts'
import { countText } from '../core/count-text.ts'
import { spanText } from '../core/units.ts'
import type { CriticalPath, CriticalStep } from '../explain/critical-path.ts'
import { isPath } from './critical.ts'
import { type Html, html } from './html.ts'
import { bar, type Length, lengthOf, phaseBar, phases, sumsOf } from './phases.ts'

/** Of a step, what it took and when it was done. */
type Timed = Pick<CriticalStep, 'to'> & { readonly action: Pick<CriticalStep['action'], 'times'> }

/**
 * A build from its beginning to its end: the phases of its critical path, and the rest, in which the client did
 * something itself, such as loading and analysing.
 * @param wholeMs what the build took
 * @returns in milliseconds
 */
export function wallTime(wholeMs: number, steps: readonly Timed[]): Length[] {
  const lengths = phases.map((phase) => ({
    ...phase,
    ms: steps.reduce((sum, step, at) => sum + lengthOf(phase, after(steps[at - 1]?.to, step.action.times)), 0),
  }))
  const known = lengths.reduce((sum, { ms }) => sum + ms, 0)
  return [...lengths, { name: 'client', title: 'with the client', ms: Math.max(0, wholeMs - known) }]
}

/** Times of a step, of which only what came after the step before counts. */
function after(done: number | undefined, times: Timed['action']['times']): Timed['action']['times'] {
  if (done === undefined || times.queued === undefined) return times
  return { ...times, queued: Math.max(times.queued, done) }
}

/** Where the time of a build went, as a bar and in words; below it, what all its actions took together. */
export function wallBar(build: BuildRecord, critical: CriticalPath, actions: Parameters<typeof sumsOf>[0]): Html {
  if (!isPath(critical)) return phaseBar(actions)
  const all = sumsOf(actions).filter(({ ms }) => ms > 0)
  const together = html`<p class="soft">All ${countText(actions.length, 'action')} together: ${all.map(({ title, ms }) => `${title} ${spanText(ms)}`).join(', ')}.</p>`
  return html`${bar(wallTime(tookMs(build), critical.steps))}${all.length > 0 && actions.length > 1 ? together : undefined}`
}
