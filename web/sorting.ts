import { choose, chosen } from './address-state.ts'

type Direction = 'ascending' | 'descending'

/** Adds buttons to the heads of sortable tables, and sorts them as the reader has chosen. */
export function offerSorting(root: ParentNode): void {
  for (const table of root.querySelectorAll<HTMLTableElement>('table[data-sortable]')) {
    for (const head of table.tHead?.rows[0]?.cells ?? []) addButton(head)
    const order = orderOf(table.id)
    if (order) sort(table, order.column, order.direction)
  }
}

export function startSorting(): void {
  document.addEventListener('click', ({ target }) => {
    if (!(target instanceof Element)) return
    const head = target.closest('th')
    const table = head?.closest<HTMLTableElement>('table[data-sortable]')
    if (!head || !table || !target.closest('button')) return
    const before = head.getAttribute('aria-sort')
    // For numbers, the largest are usually wanted first.
    const first: Direction = head.classList.contains('number') ? 'descending' : 'ascending'
    const direction = before === null ? first : before === 'ascending' ? 'descending' : 'ascending'
    choose(`sort.${table.id}`, `${head.cellIndex}${direction === 'ascending' ? 'a' : 'd'}`)
    sort(table, head.cellIndex, direction)
  })
}

function addButton(head: HTMLTableCellElement): void {
  if (head.querySelector('button')) return
  const button = head.ownerDocument.createElement('button')
  button.type = 'button'
  button.textContent = head.textContent
  head.replaceChildren(button)
}

function orderOf(table: string): { column: number; direction: Direction } | undefined {
  const [, column, letter] = /^(\d{1,2})([ad])$/.exec(chosen(`sort.${table}`) ?? '') ?? []
  if (column === undefined) return undefined
  return { column: Number(column), direction: letter === 'a' ? 'ascending' : 'descending' }
}

function sort(table: HTMLTableElement, column: number, direction: Direction): void {
  const heads = [...(table.tHead?.rows[0]?.cells ?? [])]
  const body = table.tBodies[0]
  if (!body || !heads[column]) return
  for (const [at, head] of heads.entries()) {
    if (at === column) head.setAttribute('aria-sort', direction)
    else head.removeAttribute('aria-sort')
  }
  const sign = direction === 'ascending' ? 1 : -1
  const rows = [...body.rows].map((row) => ({ row, value: sortedBy(row.cells[column]) }))
  body.append(...rows.sort((a, b) => compared(a.value, b.value, sign)).map(({ row }) => row))
}

/** A number, a text, or undefined if unknown. */
function sortedBy(cell: HTMLTableCellElement | undefined): number | string | undefined {
  const value = cell?.dataset['value']
  if (value !== undefined) return Number(value)
  const text = cell?.textContent.trim() ?? ''
  return text === '' || text === '-' ? undefined : text
}

/** Unknown values come last in either direction. */
function compared(a: number | string | undefined, b: number | string | undefined, sign: number): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
  if (typeof a === 'number' && typeof b === 'number') return sign * (a - b)
  return sign * String(a).localeCompare(String(b), 'en', { numeric: true })
}
