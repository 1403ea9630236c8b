import { type Html, html } from './html.ts'

/** A column of a table: its name, and whether it holds numbers, which stand to the right. */
export interface Column {
  readonly name: string
  readonly isNumber?: boolean
  /** In that order when the page comes. */
  readonly sorted?: 'ascending' | 'descending'
}

/**
 * A table in a frame that scrolls by itself, which the page's script lets readers sort.
 * @param id unique in its page, and the same whenever it is made
 * @param rows `<tr>` each
 */
export function table(id: string, label: string, columns: readonly Column[], rows: readonly Html[]): Html {
  return html`<div class="wide" tabindex="0" role="region" aria-label="${label}"><table id="${id}" data-sortable>
<thead><tr>${columns.map(head)}</tr></thead>
<tbody>${rows}</tbody></table></div>`
}

function head({ name, isNumber = false, sorted }: Column): Html {
  const order = sorted ? html` aria-sort="${sorted}"` : undefined
  return html`<th scope="col"${isNumber ? html` class="number"` : undefined}${order}>${name}</th>`
}

/** A cell of a number, whose text may be a rounded one. @param value undefined where it is not known */
export function numberCell(value: number | undefined, text: Html | string): Html {
  if (value === undefined) return html`<td class="number">-</td>`
  return html`<td class="number" data-value="${String(value)}">${text}</td>`
}
