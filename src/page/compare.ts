import type { ActionRecord } from '../core/build-history.ts'
import { countText } from '../core/count-text.ts'
import { type Comparison, differencesOf } from '../explain/difference.ts'
import { toldDifferences, unknownText } from '../explain/words.ts'
import { page } from './frame.ts'
import { type Html, html } from './html.ts'
import { table } from './table.ts'
import { actionPath, actionTitle, moment, numberText, shortHash, shortId } from './words.ts'

/** How two actions differ; the first is the earlier one. @param now milliseconds since 1970 */
export function comparePage(
  [first, second]: readonly [ActionRecord, ActionRecord],
  comparison: Comparison,
  now: number,
): string {
  const title = `${actionTitle(second)} compared`
  const told = toldDifferences(comparison)
  const all = differencesOf(comparison)
  const left = all - told.length
  return page(
    { title, place: 'builds' },
    html`<h1>${title}</h1>
<dl class="facts"><dt>First</dt><dd>${link(first, now)}</dd><dt>Second</dt><dd>${link(second, now)}</dd></dl>
<p class="lead">${all === 0 ? 'Nothing that is known differs.' : `${countText(all, 'difference')}.`}</p>
${told.length > 0 ? differences(told) : undefined}
${left > 0 ? html`<p class="soft">${numberText(left)} more are not listed.</p>` : undefined}
${comparison.unknown.map((each) => html`<p>${unknownText(each)}</p>`)}
${comparison.inputsCut ? html`<p>Their inputs differ in more folders than were looked at.</p>` : undefined}`,
  )
}

function link(action: ActionRecord, now: number): Html {
  return html`<a href="${actionPath(action)}">${actionTitle(action)}</a> ${shortHash(action.digest.hash)} of build ${shortId(action.build)}, ${moment(action.firstSeen, now)}`
}

function differences(told: ReturnType<typeof toldDifferences>): Html {
  return table(
    'differences',
    'Differences',
    [{ name: 'What' }, { name: 'First' }, { name: 'Second' }],
    told.map(
      ({ title, one, other }) =>
        html`<tr><td>${title}</td><td class="mono">${one ?? '-'}</td><td class="mono">${other ?? '-'}</td></tr>`,
    ),
  )
}
