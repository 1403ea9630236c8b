import type { TimelineData } from '../../src/page/timeline-data.ts'
import { openChart } from './chart.ts'

export interface Timeline {
  /** Checks whether the page has a timeline, and whether there is more to show. */
  look(): void
}

/** Minimum interval between fetches. */
const fetchMsMin = 3_000

/** Draws the build's timeline in place of the one that the page came with. */
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
        // If it fails, the existing one stays.
        fetchOnce(place, source).catch((error: unknown) => console.warn('the timeline cannot be fetched', error))
      },
      Math.max(0, fetchedAt + fetchMsMin - performance.now()),
    )
  }

  look()
  return { look }
}
