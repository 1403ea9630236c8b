import { createHash } from 'node:crypto'
import { spanText } from '../core/units.ts'
import type { Explanation } from '../explain/build.ts'
import type { CauseOfMany } from '../explain/cause.ts'
import { causeKey } from '../explain/cause.ts'
import { actionName, adviceText, causeText, chainText } from '../explain/sentences.ts'
import { type Html, html } from './html.ts'
import { numberCell, table } from './table.ts'
import { actionPath, buildPath, moment, numberText, shortId } from './words.ts'

/** Causes, worst first. @param now milliseconds since 1970 */
export function causesTable({ build, actions, causes, more }: Explanation, now: number): Html {
  if (actions === 0)
    return html`<p>Neither the cache nor the scheduler was asked for any action: everything was up to date, or the build ended first.</p>`
  if (causes.length === 0) return html`<p>Everything was cached.</p>`
  const rest =
    more.causes > 0
      ? html`<p class="soft">${numberText(more.causes)} more causes, of ${numberText(more.actions)} actions.</p>`
      : undefined
  return html`${table(
    'causes',
    'Causes',
    [{ name: 'Cause' }, { name: 'Actions', isNumber: true, sorted: 'descending' }, { name: 'Time', isNumber: true }],
    causes.map((cause) => causeRow(build.id, cause, now)),
  )}
${rest}`
}

function causeRow(build: string, cause: CauseOfMany, now: number): Html {
  const { actions, seconds } = cause
  return html`<tr id="c-${idOf(cause)}"><td><details><summary>${causeText(cause)}</summary>${details(build, cause, now)}</details></td>
${numberCell(actions, numberText(actions))}${numberCell(seconds > 0 ? seconds : undefined, spanText(seconds * 1000))}</tr>`
}

/** Stable for a cause, so that its row keeps its place on an open page. */
function idOf(cause: CauseOfMany): string {
  return createHash('sha256').update(causeKey(cause)).digest('hex').slice(0, 16)
}

function details(build: string, cause: CauseOfMany, now: number): Html {
  const { one, other, examples, against, notAlone, actions } = cause
  const chain = chainText(cause)
  const advice = adviceText(cause)
  return html`${one === null ? undefined : html`<p class="mono">before: ${one}</p>`}
${other === null ? undefined : html`<p class="mono">now: ${other}</p>`}
${chain ? html`<p>${chain}</p>` : undefined}
<p>For example: ${examples.map((example, at) => html`${at > 0 ? ', ' : ''}<a href="${actionPath({ build, digest: digestOf(example.action) })}">${actionName(example)}</a>`)}.</p>
${against ? html`<p>Compared with build <a href="${buildPath(against.build)}">${shortId(against.build)}</a>, ${moment(against.seen, now)}.${comparison(build, cause)}</p>` : undefined}
${notAlone > 0 ? html`<p>In ${numberText(notAlone)} of ${numberText(actions)}, other things differ as well.</p>` : undefined}
${advice ? html`<p>${advice}</p>` : undefined}`
}

/** A link to the full comparison for the first example. */
function comparison(build: string, { examples: [first] }: CauseOfMany): Html | undefined {
  const other = first?.against?.split('/')[0]
  if (!first || other === undefined) return undefined
  return html` <a href="${actionPath({ build, digest: digestOf(first.action) })}/compare?with=${other}">All differences</a>`
}

/** Only the hash matters for a page's address. */
function digestOf(text: string): { readonly fn: 'sha256'; readonly hash: string; readonly size: number } {
  const [hash = '', size = '0'] = text.split('/')
  return { fn: 'sha256', hash, size: Number(size) }
}
