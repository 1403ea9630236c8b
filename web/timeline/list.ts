import { spanText } from '../../src/core/units.ts'
import type { Row } from './rows.ts'

/** Actions on one page of the list. */
const shownMax = 100

/** The actions in range as a table: for the keyboard, and for those who cannot see the picture. */
export interface List {
  readonly element: HTMLElement
  /** @param fromFirst goes back to the first page; otherwise the current one stays */
  show(rows: readonly Row[], fromFirst: boolean): void
}

/** @param build the address of the build's page */
export function createList(build: string): List {
  const details = document.createElement('details')
  details.id = 'timeline-list'
  const summary = document.createElement('summary')
  const frame = document.createElement('div')
  frame.className = 'wide'
  frame.tabIndex = 0
  frame.setAttribute('role', 'region')
  frame.setAttribute('aria-label', 'Actions of the timeline')
  const pager = document.createElement('p')
  const [before, after] = [button('Earlier ones'), button('Later ones')]
  pager.append(before, ' ', after)
  details.append(summary, frame, pager)
  let rows: readonly Row[] = []
  let first = 0

  function fill(): void {
    // A hidden table costs nothing.
    if (!details.open) return
    const shown = rows.slice(first, first + shownMax)
    frame.replaceChildren(tableOf(shown, build))
    before.disabled = first === 0
    after.disabled = first + shownMax >= rows.length
    pager.hidden = rows.length <= shownMax
  }

  function turn(by: number): void {
    first = Math.min(Math.max(0, first + by), Math.max(0, rows.length - 1))
    fill()
  }

  before.addEventListener('click', () => turn(-shownMax))
  after.addEventListener('click', () => turn(shownMax))
  details.addEventListener('toggle', fill)
  return {
    element: details,
    show(all, fromFirst) {
      rows = all
      if (fromFirst || first >= all.length) first = 0
      summary.textContent = `These actions as a list: ${all.length.toLocaleString('en-US')}`
      fill()
    },
  }
}

function button(text: string): HTMLButtonElement {
  const made = document.createElement('button')
  made.type = 'button'
  made.textContent = text
  return made
}

const heads = ['Action', 'Worker', 'Outcome', 'Began', 'Took', 'In it']

function tableOf(rows: readonly Row[], build: string): HTMLTableElement {
  const table = document.createElement('table')
  const head = table.createTHead().insertRow()
  for (const name of heads) {
    const cell = document.createElement('th')
    cell.scope = 'col'
    cell.textContent = name
    head.append(cell)
  }
  const body = table.createTBody()
  for (const row of rows) {
    const line = body.insertRow()
    const link = document.createElement('a')
    link.href = `${build}/action/${row.hash}`
    link.textContent = row.name
    line.insertCell().append(link)
    for (const text of [row.worker, row.outcome, spanText(row.from), spanText(row.to - row.from), phasesText(row)])
      line.insertCell().textContent = text
  }
  return table
}

/** `queue 3 ms, run 40 ms; on the critical path`. */
export function phasesText({ phases, isCritical }: Row): string {
  const spans = phases.map(({ name, from, to }) => `${name} ${spanText(Math.max(0, to - from))}`).join(', ')
  return isCritical ? `${spans}; on the critical path` : spans
}
