import { isWriting } from '../keys.ts'
import type { Painting } from './painting.ts'
import type { Row } from './rows.ts'
import type { Range, View } from './view.ts'

/** A shorter drag is a click, in CSS pixels. */
const dragPixelsMin = 4
const wheelFactor = 1.2

/** Reactions to the action under the pointer. */
export interface Reaction {
  /** The pointer is over it, or over none. */
  hover(row: Row | undefined): void
  click(row: Row): void
}

/** A drag zooms to its range, and the wheel with a modifier key zooms in and out. */
export function followPointer(painting: Painting, view: View, { hover, click }: Reaction): void {
  const { canvas } = painting
  let began: { readonly x: number; readonly time: number } | undefined
  let marked: Range | undefined

  function mark(range: Range | undefined): void {
    marked = range
    painting.mark(range)
  }

  canvas.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return
    began = { x: event.offsetX, time: painting.timeUnder(event) }
    canvas.setPointerCapture(event.pointerId)
  })
  canvas.addEventListener('pointermove', (event) => {
    if (began) {
      const isClick = Math.abs(event.offsetX - began.x) < dragPixelsMin
      return mark(isClick ? undefined : { from: began.time, to: painting.timeUnder(event) })
    }
    const row = painting.rowUnder(event)
    canvas.style.cursor = row ? 'pointer' : 'crosshair'
    hover(row)
  })
  canvas.addEventListener('pointerup', (event) => {
    const range = marked
    const row = began && !range ? painting.rowUnder(event) : undefined
    began = undefined
    mark(undefined)
    if (range) view.show({ from: Math.min(range.from, range.to), to: Math.max(range.from, range.to) })
    else if (row) click(row)
  })
  canvas.addEventListener('pointercancel', () => {
    began = undefined
    mark(undefined)
  })
  canvas.addEventListener(
    'wheel',
    (event) => {
      // Without a modifier key it scrolls the page, as everywhere.
      if (!event.ctrlKey && !event.metaKey) return
      event.preventDefault()
      view.zoom(event.deltaY > 0 ? wheelFactor : 1 / wheelFactor, painting.timeUnder(event))
    },
    { passive: false },
  )
}

/** `+`, `-` and `0`, unless the reader is typing text. */
export function followKeys(view: View): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return
    if (event.key === '0') view.showAll()
    else if (event.key === '+') view.zoom(0.5)
    else if (event.key === '-') view.zoom(2)
  })
}
