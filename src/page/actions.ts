import type { ActionRecord } from '../core/build-history.ts'
import { spanText } from '../core/units.ts'
import { type Html, html } from './html.ts'
import { numberCell, table } from './table.ts'
import { actionPath, actionTitle, outcomeText, shortHash } from './words.ts'

/** Actions as a table, in the given order. @param id of the table */
export function actionsTable(id: string, actions: readonly ActionRecord[], label: string): Html {
  return table(
    id,
    label,
    [
      { name: 'Action' },
      { name: 'Output' },
      { name: 'Outcome' },
      { name: 'Worker' },
      { name: 'Ran', isNumber: true },
      { name: 'Digest' },
    ],
    actions.map((each) => row(id, each)),
  )
}

function row(id: string, action: ActionRecord): Html {
  const { outcome, worker, digest, firstOutput } = action
  return html`<tr id="${id}-${action.row}"><td><a href="${actionPath(action)}">${actionTitle(action)}</a></td><td class="mono">${firstOutput}</td>
<td${outcome === 'failed' ? html` class="failed"` : undefined}>${outcomeText(action)}</td><td>${worker}</td>
${numberCell(ranMs(action), ranText(action))}<td>${shortHash(digest.hash)}</td></tr>`
}

/** How long its process ran, in milliseconds. */
export function ranMs({ times: { runStart, runEnd } }: ActionRecord): number | undefined {
  return runStart === undefined || runEnd === undefined ? undefined : Math.max(0, runEnd - runStart)
}

export function ranText(action: ActionRecord): string {
  const ms = ranMs(action)
  return ms === undefined ? '-' : spanText(ms)
}
