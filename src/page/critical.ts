import { type BuildRecord, tookMs } from '../core/build-history.ts'
import { countText } from '../core/count-text.ts'
import { spanText } from '../core/units.ts'
import type { CriticalPath, CriticalStep } from '../explain/critical-path.ts'
import { type Html, html } from './html.ts'
import { numberCell, table } from './table.ts'
import { actionPath, actionTitle, numberText, outcomeText } from './words.ts'

/** Only the last ones are listed. */
const shownMax = 50

/** A single action with unknown inputs is not a path. */
export function isPath({ steps, before }: CriticalPath): boolean {
  return steps.length > 1 || (steps.length === 1 && before !== 'unknown')
}

/** What the build waited for, one action after another, as a sentence and a table. */
export function criticalSteps(build: BuildRecord, path: CriticalPath): Html | undefined {
  if (!isPath(path)) return undefined
  const { steps, before } = path
  const whole = tookMs(build)
  const busy = steps.reduce((sum, { from, to }) => sum + to - from, 0)
  const shown = steps.slice(-shownMax)
  const first = steps.length - shown.length
  const rows = shown.map((step, at) =>
    row(step, steps[first + at - 1]?.to ?? build.told?.started ?? build.firstSeen, whole),
  )
  return html`<p>Critical path: ${sentence(steps.length, busy, whole)}${beginning(before, first)}</p>
${table(
  'critical',
  'Critical path',
  [
    { name: 'Critical path' },
    { name: 'Reads, of the one before' },
    { name: 'Outcome' },
    { name: 'Waited', isNumber: true },
    { name: 'Took', isNumber: true },
    { name: 'Share', isNumber: true },
  ],
  rows,
)}`
}

function sentence(steps: number, busyMs: number, wholeMs: number): string {
  const share = percentText(busyMs, wholeMs)
  if (steps === 1) return `one action took ${spanText(busyMs)}, ${share} of the build.`
  return `${countText(steps, 'action')}, each of which waited for the one before it, took ${spanText(busyMs)}, ${share} of the build.`
}

function beginning(before: CriticalPath['before'], hidden: number): string {
  const left = hidden > 0 ? ` The first ${numberText(hidden)} are not listed.` : ''
  if (before === 'more') return `${left} What came before these was not looked at.`
  return before === 'unknown'
    ? `${left} What the first one waited for is not known: its input tree is not to be had.`
    : left
}

/** @param ready when the previous step was done, in milliseconds since 1970 */
function row({ action, waitedFor, from, to }: CriticalStep, ready: number, wholeMs: number): Html {
  const waited = Math.max(0, from - ready)
  return html`<tr id="critical-${action.row}"><td><a href="${actionPath(action)}">${actionTitle(action)}</a></td><td class="mono">${waitedFor}</td>
<td${action.outcome === 'failed' ? html` class="failed"` : undefined}>${outcomeText(action)}</td>${numberCell(waited, spanText(waited))}
${numberCell(to - from, spanText(to - from))}${numberCell(wholeMs > 0 ? (to - from) / wholeMs : undefined, percentText(to - from, wholeMs))}</tr>`
}

function percentText(ms: number, wholeMs: number): string {
  return `${wholeMs > 0 ? Math.min(100, Math.round((100 * ms) / wholeMs)) : 0} %`
}
