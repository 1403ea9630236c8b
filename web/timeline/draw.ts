import { spanText } from '../../src/core/units.ts'
import type { Row } from './rows.ts'
import type { Range } from './view.ts'

/** Layout of the drawing, in CSS pixels. */
export interface Geometry {
  readonly width: number
  readonly height: number
  readonly labelWidth: number
  readonly headHeight: number
  readonly laneHeight: number
}

export interface Colours {
  readonly text: string
  readonly line: string
  readonly fetch: string
  readonly run: string
  readonly upload: string
  readonly failed: string
  readonly selection: string
}

const headHeight = 18
const lanesHeightMax = 560
const [laneHeightMin, laneHeightMax] = [3, 14]
/** Lower lanes have no room for their worker's name. */
const namedHeightMin = 10
const narrow = 600
const tickPixels = 120

export function geometryOf(width: number, lanes: number): Geometry {
  const laneHeight = Math.min(laneHeightMax, Math.max(laneHeightMin, Math.floor(lanesHeightMax / Math.max(1, lanes))))
  return {
    width,
    height: headHeight + lanes * laneHeight + 2,
    labelWidth: width < narrow ? 56 : 110,
    headHeight,
    laneHeight,
  }
}

/** The page's colours, which differ in dark mode. */
export function coloursOf(style: CSSStyleDeclaration): Colours {
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim()
  return {
    text: colour('text'),
    line: colour('line'),
    fetch: colour('fetch'),
    run: colour('run'),
    upload: colour('upload'),
    failed: colour('failed'),
    selection: colour('link'),
  }
}

export function timeAt({ width, labelWidth }: Geometry, { from, to }: Range, x: number): number {
  return from + ((x - labelWidth) / (width - labelWidth)) * (to - from)
}

function xAt({ width, labelWidth }: Geometry, { from, to }: Range, at: number): number {
  return labelWidth + ((at - from) / (to - from)) * (width - labelWidth)
}

/** What is drawn: all lanes, within the visible range. */
export interface Picture {
  readonly rows: readonly Row[]
  readonly lanes: readonly string[]
  readonly range: Range
  readonly geometry: Geometry
  readonly colours: Colours
  /** The reader's selection, in milliseconds. */
  readonly marked: Range | undefined
}

export function draw(context: CanvasRenderingContext2D, picture: Picture): void {
  const { geometry, colours, range, marked } = picture
  context.clearRect(0, 0, geometry.width, geometry.height)
  drawTicks(context, picture)
  context.save()
  context.beginPath()
  context.rect(geometry.labelWidth, 0, geometry.width - geometry.labelWidth, geometry.height)
  context.clip()
  drawRows(context, picture)
  if (marked) {
    const [from, to] = [xAt(geometry, range, marked.from), xAt(geometry, range, marked.to)]
    context.globalAlpha = 0.25
    context.fillStyle = colours.selection
    context.fillRect(Math.min(from, to), 0, Math.abs(to - from), geometry.height)
    context.globalAlpha = 1
  }
  context.restore()
  drawNames(context, picture)
}

function drawTicks(context: CanvasRenderingContext2D, { geometry, range, colours }: Picture): void {
  context.font = '11px system-ui, sans-serif'
  const { width, labelWidth, height } = geometry
  const count = Math.max(1, Math.floor((width - labelWidth) / tickPixels))
  const step = roundStep((range.to - range.from) / count)
  for (let at = Math.ceil(range.from / step) * step; at <= range.to; at += step) {
    const x = Math.round(xAt(geometry, range, at)) + 0.5
    context.strokeStyle = colours.line
    context.beginPath()
    context.moveTo(x, headHeight - 4)
    context.lineTo(x, height)
    context.stroke()
    context.fillStyle = colours.text
    const text = spanText(at)
    const half = context.measureText(text).width / 2
    context.fillText(text, Math.min(Math.max(x - half, labelWidth), width - 2 * half), 11)
  }
}

/** The smallest 1, 2 or 5 times a power of ten that is at least this. */
function roundStep(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, ms)))
  return ([1, 2, 5, 10].find((each) => each * power >= ms) ?? 10) * power
}

function drawRows(context: CanvasRenderingContext2D, { rows, lanes, range, geometry, colours }: Picture): void {
  // Thousands of actions may share a pixel of a lane: one of them is enough.
  const ends = new Float64Array(lanes.length).fill(Number.NEGATIVE_INFINITY)
  for (const { lane, from, to, phases, isFailed, isCritical } of rows) {
    if (to < range.from || from > range.to) continue
    const end = xAt(geometry, range, to)
    if (!isFailed && !isCritical && end - (ends[lane] ?? 0) < 0.4) continue
    ends[lane] = end
    const y = geometry.headHeight + lane * geometry.laneHeight
    const height = Math.max(2, geometry.laneHeight - 2)
    for (const phase of phases) {
      // A queued action is not on a worker yet.
      if (phase.name === 'queue') continue
      const x = xAt(geometry, range, phase.from)
      context.fillStyle = colours[phase.name]
      context.fillRect(x, y, Math.max(0.5, xAt(geometry, range, phase.to) - x), height)
    }
    const x = xAt(geometry, range, from)
    if (isFailed) {
      context.fillStyle = colours.failed
      context.fillRect(x, y, Math.max(2, end - x), Math.max(2, height / 3))
    }
    if (isCritical) {
      context.fillStyle = colours.text
      context.fillRect(x, y + height - 2, Math.max(2, end - x), 2)
    }
  }
}

function drawNames(context: CanvasRenderingContext2D, { lanes, geometry, colours }: Picture): void {
  if (geometry.laneHeight < namedHeightMin) return
  context.fillStyle = colours.text
  context.save()
  context.beginPath()
  context.rect(0, 0, geometry.labelWidth - 6, geometry.height)
  context.clip()
  for (const [at, name] of lanes.entries())
    context.fillText(name, 0, geometry.headHeight + (at + 1) * geometry.laneHeight - 4)
  context.restore()
}
