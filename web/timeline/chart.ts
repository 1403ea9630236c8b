import { countText } from '../../src/core/count-text.ts'
import { spanText } from '../../src/core/units.ts'
import type { TimelineData } from '../../src/page/timeline-data.ts'
import { isWriting } from '../keys.ts'
import { coloursOf, draw, geometryOf, timeAt } from './draw.ts'
import { createList, phasesText } from './list.ts'
import { type Row, rowsOf } from './rows.ts'
import { createTools } from './tools.ts'
import { createView, type Range } from './view.ts'

/** A drag that is shorter is a click, in CSS pixels. */
const dragPixelsMin = 4
const wheelFactor = 1.2

/**
 * The timeline: a picture that the pointer zooms, buttons and keys that do the same, and the list beside it.
 * @param place whose contents it takes the place of
 * @param build the address of the build's page
 */
export function openChart(place: HTMLElement, build: string) {
  const canvas = document.createElement('canvas')
  // The list says the same in words.
  canvas.setAttribute('aria-hidden', 'true')
  const tip = document.createElement('p')
  tip.className = 'tip soft'
  const status = document.createElement('p')
  status.setAttribute('role', 'status')
  const list = createList(build)
  const view = createView(() => update(true))
  place.replaceChildren(createTools(view), canvas, tip, status, list.element)
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

  /** @param byReader another part is seen since the reader chose it, not since there is more */
  function update(byReader: boolean): void {
    const { from, to } = view.range
    const seen = rows.filter((row) => row.to >= from && row.from <= to)
    list.show(seen, byReader)
    // What a build adds every few seconds is not read aloud.
    status.setAttribute('aria-live', byReader ? 'polite' : 'off')
    status.textContent = view.isZoomed
      ? `${seen.length.toLocaleString('en-US')} of ${countText(rows.length, 'action')}, from ${spanText(from)} to ${spanText(to)}.`
      : `${countText(seen.length, 'action')} in ${spanText(to)}.`
    repaint()
  }

  function at(event: MouseEvent): number {
    return timeAt(geometry(), view.range, event.offsetX)
  }

  function rowUnder(event: MouseEvent): Row | undefined {
    const { headHeight, laneHeight } = geometry()
    const [lane, time] = [Math.floor((event.offsetY - headHeight) / laneHeight), at(event)]
    return rows.find((row) => row.lane === lane && row.from <= time && time <= row.to)
  }

  let began: { readonly x: number; readonly time: number } | undefined
  canvas.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return
    began = { x: event.offsetX, time: at(event) }
    canvas.setPointerCapture(event.pointerId)
  })
  canvas.addEventListener('pointermove', (event) => {
    if (began) {
      marked = Math.abs(event.offsetX - began.x) < dragPixelsMin ? undefined : { from: began.time, to: at(event) }
      return repaint()
    }
    const row = rowUnder(event)
    canvas.style.cursor = row ? 'pointer' : 'crosshair'
    tip.textContent = row ? `${row.name}, ${row.outcome}: ${phasesText(row)}` : ''
  })
  canvas.addEventListener('pointerup', (event) => {
    const range = marked
    const row = began && !range ? rowUnder(event) : undefined
    began = undefined
    marked = undefined
    if (range) view.show({ from: Math.min(range.from, range.to), to: Math.max(range.from, range.to) })
    else if (row) location.assign(`${build}/action/${row.hash}`)
  })
  canvas.addEventListener('pointercancel', () => {
    began = undefined
    marked = undefined
    repaint()
  })
  canvas.addEventListener(
    'wheel',
    (event) => {
      // Without a key it scrolls the page, as everywhere.
      if (!event.ctrlKey && !event.metaKey) return
      event.preventDefault()
      view.zoom(event.deltaY > 0 ? wheelFactor : 1 / wheelFactor, at(event))
    },
    { passive: false },
  )
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return
    if (event.key === '0') view.showAll()
    else if (event.key === '+') view.zoom(0.5)
    else if (event.key === '-') view.zoom(2)
  })
  new ResizeObserver(repaint).observe(place)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint)

  return {
    show(data: TimelineData): void {
      rows = rowsOf(data)
      lanes = data.lanes
      view.setLength(data.lengthMs)
      update(false)
    },
  }
}
