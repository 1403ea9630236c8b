import { choose, chosen } from '../address-state.ts'

/** The visible part of the timeline, in milliseconds from its beginning. */
export interface Range {
  readonly from: number
  readonly to: number
}

export interface View {
  readonly range: Range
  /** Has the reader zoomed? Otherwise everything is shown, however long it becomes. */
  readonly isZoomed: boolean
  setLength(ms: number): void
  show(range: Range): void
  showAll(): void
  /** @param factor below 1 zooms in @param at the fixed point; the middle if absent */
  zoom(factor: number, at?: number): void
  /** @param share of the visible range; negative moves towards the beginning */
  move(share: number): void
}

const rangeMsMin = 1

/** @param changed called after each change */
export function createView(changed: () => void): View {
  let lengthMs = 1
  let zoomed = fromAddress()

  function show({ from, to }: Range): void {
    const width = Math.min(Math.max(to - from, rangeMsMin), lengthMs)
    const start = Math.min(Math.max(0, from), lengthMs - width)
    zoomed = width >= lengthMs ? undefined : { from: start, to: start + width }
    choose('zoom', zoomed && `${Math.round(zoomed.from)}-${Math.round(zoomed.to)}`)
    changed()
  }

  function range(): Range {
    return zoomed ?? { from: 0, to: lengthMs }
  }

  return {
    get range() {
      return range()
    },
    get isZoomed() {
      return zoomed !== undefined
    },
    setLength(ms) {
      lengthMs = ms
      if (zoomed && zoomed.from >= lengthMs) zoomed = undefined
    },
    show,
    showAll: () => show({ from: 0, to: lengthMs }),
    zoom(factor, at) {
      const { from, to } = range()
      const still = at ?? (from + to) / 2
      show({ from: still - (still - from) * factor, to: still + (to - still) * factor })
    },
    move(share) {
      const { from, to } = range()
      const by = (to - from) * share
      // At either end it stops, with the same range visible.
      const start = Math.min(Math.max(0, from + by), lengthMs - (to - from))
      show({ from: start, to: start + to - from })
    },
  }
}

function fromAddress(): Range | undefined {
  const [, from, to] = /^(\d{1,12})-(\d{1,12})$/.exec(chosen('zoom') ?? '') ?? []
  return from !== undefined && Number(from) < Number(to) ? { from: Number(from), to: Number(to) } : undefined
}
