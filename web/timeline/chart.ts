import { countText } from '../../src/core/count-text.ts'
import { spanText } from '../../src/core/units.ts'
import type { TimelineData } from '../../src/page/timeline-data.ts'
import { followKeys, followPointer } from './gestures.ts'
import { createList, phasesText } from './list.ts'
import { createPainting } from './painting.ts'
import { type Row, rowsOf } from './rows.ts'
import { createTools } from './tools.ts'
import { createView } from './view.ts'

/**
 * The timeline: a picture that the pointer zooms, buttons and keys that do the same, and the list beside it.
 * @param place whose contents it replaces
 * @param build the address of the build's page
 */
export function openChart(place: HTMLElement, build: string) {
  const tip = document.createElement('p')
  tip.className = 'tip soft'
  const status = document.createElement('p')
  status.setAttribute('role', 'status')
  const list = createList(build)
  const view = createView(() => update(true))
  const painting = createPainting(place, view)
  place.replaceChildren(createTools(view), painting.canvas, tip, status, list.element)
  let rows: readonly Row[] = []

  /** @param byReader the reader chose another part, as opposed to new data */
  function update(byReader: boolean): void {
    const { from, to } = view.range
    const seen = rows.filter((row) => row.to >= from && row.from <= to)
    list.show(seen, byReader)
    // Updates of a running build every few seconds are not announced.
    status.setAttribute('aria-live', byReader ? 'polite' : 'off')
    status.textContent = view.isZoomed
      ? `${seen.length.toLocaleString('en-US')} of ${countText(rows.length, 'action')}, from ${spanText(from)} to ${spanText(to)}.`
      : `${countText(seen.length, 'action')} in ${spanText(to)}.`
    painting.repaint()
  }

  followPointer(painting, view, {
    hover(row) {
      tip.textContent = row ? `${row.name}, ${row.outcome}: ${phasesText(row)}` : ''
    },
    click: (row) => location.assign(`${build}/action/${row.hash}`),
  })
  followKeys(view)

  return {
    show(data: TimelineData): void {
      rows = rowsOf(data)
      painting.show(rows, data.lanes)
      view.setLength(data.lengthMs)
      update(false)
    },
  }
}
