import { coloursOf, draw, geometryOf, timeAt } from './draw.ts'
import type { Row } from './rows.ts'
import type { Range, View } from './view.ts'

/** The canvas with the lanes, and hit testing. */
export interface Painting {
  readonly canvas: HTMLCanvasElement
  show(rows: readonly Row[], lanes: readonly string[]): void
  /** The reader's selection; undefined for none. */
  mark(range: Range | undefined): void
  /** Draws once, before the browser's next frame. */
  repaint(): void
  /** The time under the pointer, in milliseconds from the timeline's beginning. */
  timeUnder(event: MouseEvent): number
  rowUnder(event: MouseEvent): Row | undefined
}

/** @param place whose width it takes */
export function createPainting(place: HTMLElement, view: Pick<View, 'range'>): Painting {
  const canvas = document.createElement('canvas')
  // The list says the same in words.
  canvas.setAttribute('aria-hidden', 'true')
  const context = canvas.getContext('2d')
  let rows: readonly Row[] = []
  let lanes: readonly string[] = []
  let marked: Range | undefined
  let frame: number | undefined

  function geometry() {
    return geometryOf(place.clientWidth, lanes.length)
  }

  function paint(): void {
    frame = undefined
    if (!context) return
    const size = geometry()
    const ratio = window.devicePixelRatio
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)]
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width
      canvas.height = height
      canvas.style.height = `${size.height}px`
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    const colours = coloursOf(getComputedStyle(document.documentElement))
    draw(context, { rows, lanes, range: view.range, geometry: size, colours, marked })
  }

  function repaint(): void {
    if (frame === undefined) frame = requestAnimationFrame(paint)
  }

  function timeUnder(event: MouseEvent): number {
    return timeAt(geometry(), view.range, event.offsetX)
  }

  new ResizeObserver(repaint).observe(place)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint)

  return {
    canvas,
    repaint,
    timeUnder,
    show(newRows, newLanes) {
      rows = newRows
      lanes = newLanes
    },
    mark(range) {
      marked = range
      repaint()
    },
    rowUnder(event) {
      const { headHeight, laneHeight } = geometry()
      const [lane, time] = [Math.floor((event.offsetY - headHeight) / laneHeight), timeUnder(event)]
      return rows.find((row) => row.lane === lane && row.from <= time && time <= row.to)
    },
  }
}
