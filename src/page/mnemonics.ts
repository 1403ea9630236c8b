import type { ActionRecord } from '../core/build-history.ts'
import { spanText } from '../core/units.ts'
import { ranMs } from './actions.ts'
import { type Html, html } from './html.ts'
import { numberCell, table } from './table.ts'
import { numberText } from './words.ts'

/** Mnemonics listed, those with most actions first. */
const shownMax = 100

/** The cache hits of each mnemonic, and the time of its misses. */
export function mnemonicsTable(actions: readonly ActionRecord[]): Html {
  const groups = [...Map.groupBy(actions, ({ mnemonic }) => mnemonic)].sort(([, a], [, b]) => b.length - a.length)
  if (groups.length === 0) return html`<p class="soft">No action was seen.</p>`
  return table(
    'mnemonics',
    'Actions by mnemonic',
    [
      { name: 'Mnemonic' },
      { name: 'Actions', isNumber: true, sorted: 'descending' },
      { name: 'Cached', isNumber: true },
      { name: 'Ran for', isNumber: true },
    ],
    groups.slice(0, shownMax).map(([mnemonic, its]) => row(mnemonic, its)),
  )
}

function row(mnemonic: string, actions: readonly ActionRecord[]): Html {
  const share = actions.filter(({ outcome }) => outcome === 'hit').length / actions.length
  const ms = actions.reduce((sum, each) => sum + (ranMs(each) ?? 0), 0)
  const percent = share === 1 ? 100 : Math.min(99, Math.floor(100 * share))
  return html`<tr id="m-${mnemonic}"><td>${mnemonic || 'not told'}</td>${numberCell(actions.length, numberText(actions.length))}
${numberCell(share, `${percent} %`)}${numberCell(ms > 0 ? ms : undefined, spanText(ms))}</tr>`
}
