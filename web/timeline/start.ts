import type { TimelineData } from '../../src/page/timeline-data.ts'
import { openChart } from './chart.ts'

export interface Timeline {
  /** Looks whether the page has one, and whether there is more to be seen. */
  look(): void
}

/** Between two times that it is fetched, at least. */
const fetchMsMin = 3_000

/** Draws the build's timeline in the place of that which the page came with. */
export function startTimeline(): Timeline {
  let chart: { show(data: TimelineData): void } | undefined
  let fetchedAt = Number.NEGATIVE_INFINITY
  let waiting: ReturnType<typeof setTimeout> | undefined

  async function fetchOnce(place: HTMLElement, source: string): Promise<void> {
    const answer = await fetch(source)
    if (!answer.ok) return
    const data = (await answer.json()) as TimelineData
    if (data.rows.length === 0) return
    chart ??= openChart(place, location.pathname)
    chart.show(data)
  }

  function look(): void {
    const place = document.querySelector<HTMLElement>('#timeline')
    const source = place?.dataset['source']
    if (!place || source === undefined || waiting !== undefined) return
    waiting = setTimeout(
      () => {
        waiting = undefined
        fetchedAt = performance.now()
        // Where it fails, what is there stays.
        fetchOnce(place, source).catch((error: unknown) => console.warn('the timeline cannot be fetched', error))
      },
      Math.max(0, fetchedAt + fetchMsMin - performance.now()),
    )
  }

  look()
  return { look }
}
