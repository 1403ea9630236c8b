import { type Html, html } from './html.ts'

/** A column of a table: its name, and whether it holds numbers, which are right-aligned. */
export interface Column {
  readonly name: string
  readonly isNumber?: boolean
  /** The initial sort order, if it is sorted by this column. */
  readonly sorted?: 'ascending' | 'descending'
}

/**
 * A table in a scrollable frame, which readers can sort if the script runs.
 * @param id unique within its page, and stable
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

/** A cell with a number, whose text may be rounded. @param value undefined if unknown */
export function numberCell(value: number | undefined, text: Html | string): Html {
  if (value === undefined) return html`<td class="number">-</td>`
  return html`<td class="number" data-value="${String(value)}">${text}</td>`
}
