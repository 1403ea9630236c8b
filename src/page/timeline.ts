import type { ActionRecord } from '../core/build-history.ts'
import { spanText } from '../core/units.ts'
import { type Html, html } from './html.ts'
import { type Lane, lanesOf, timedOf } from './lanes.ts'
import { phases } from './phases.ts'
import { actionPath, actionTitle, numberText } from './words.ts'

/** For those without a script, which draws all of them: more would make the page slow for everybody. */
const drawnMax = 500
const laneHeight = 14
const labelWidth = 110
const width = 1000
const headHeight = 16

/**
 * What each worker did when: a lane for each of its slots. Actions without times are left out.
 * @param source where the script finds all of them, which it draws in the place of this
 */
export function timeline(actions: readonly ActionRecord[], source: string): Html | undefined {
  const timed = timedOf(actions)
  if (timed.length === 0) return undefined
  const drawn = timed.toSorted((one, other) => other.to - other.from - (one.to - one.from)).slice(0, drawnMax)
  const begin = Math.min(...drawn.map(({ from }) => from))
  const end = Math.max(...drawn.map(({ to }) => to), begin + 1)
  const lanes = lanesOf(drawn)
  const scale = (at: number) => labelWidth + ((at - begin) / (end - begin)) * (width - labelWidth)
  const height = headHeight + lanes.length * laneHeight
  const left = timed.length - drawn.length
  const cut = left > 0 ? html`<p class="soft">The ${numberText(left)} shortest are not drawn.</p>` : undefined
  const label = `What ${numberText(drawn.length)} actions did over ${spanText(end - begin)}; the tables of actions say the same`
  // Thousands of links are none for a keyboard: they are in the tables as well.
  return html`<div id="timeline" data-source="${source}"><div class="wide" tabindex="0" role="region" aria-label="${label}">
<svg viewBox="0 0 ${width} ${height}" aria-hidden="true">
<text x="${labelWidth}" y="11">0</text><text x="${width}" y="11" text-anchor="end">${spanText(end - begin)}</text>
${lanes.map((lane, at) => laneMarkup(lane, headHeight + at * laneHeight, scale))}
</svg></div>
${cut}</div>`
}

function laneMarkup({ worker, named, drawn }: Lane, y: number, scale: (at: number) => number): Html {
  const label = named ? html`<text x="0" y="${y + laneHeight - 3}">${worker.slice(0, 16)}</text>` : undefined
  return html`${label}${drawn.map(({ action, from, to }) => {
    const title = `${actionTitle(action)}, ${spanText(to - from)}`
    return html`<a href="${actionPath(action)}" tabindex="-1"><title>${title}</title>${phaseMarkup(action, y, scale)}</a>`
  })}`
}

function phaseMarkup({ times }: ActionRecord, y: number, scale: (at: number) => number): Html[] {
  return phases.flatMap(({ name, from, to }) => {
    const [began, ended] = [times[from], times[to]]
    // What waits is on no worker yet.
    if (name === 'queue' || began === undefined || ended === undefined) return []
    const [x, end] = [scale(began), scale(ended)]
    const wide = Math.max(end - x, 0.5)
    return [
      html`<rect class="${name}" x="${x.toFixed(2)}" y="${y}" width="${wide.toFixed(2)}" height="${laneHeight - 2}"/>`,
    ]
  })
}
