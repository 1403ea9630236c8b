import { Histogram, type Registry } from 'prom-client'
import { createSeries, type Labels, type SeriesSet } from './series.ts'

/** The values of one series. A class, since `observe` is in the hottest paths. */
class Spread {
  readonly #bounds: readonly number[]
  /** One for each bound, and one for values beyond the last. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const bounds = this.#bounds
    let at = 0
    while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1
    this.counts[at] = (this.counts[at] ?? 0) + 1
    this.sum += value
  }
}

interface HistogramOptions {
  readonly name: string
  readonly help: string
  readonly labelNames: readonly string[]
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[]
  readonly registry: Registry
}

/** A prom-client histogram that keeps its numbers in our own series and reports them on request. */
export class SeriesHistogram extends Histogram {
  readonly series: SeriesSet<Spread>
  readonly #options: HistogramOptions

  constructor(options: HistogramOptions) {
    const { name, help, labelNames, buckets, registry } = options
    super({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers: [registry] })
    this.#options = options
    this.series = createSeries(labelNames, () => new Spread(buckets))
  }

  /**
   * prom-client makes its text and objects from this; the method is not in its types (metrics.test.ts checks that it
   * exists).
   */
  async getForPromString() {
    const { name, help } = this.#options
    const values = [...this.series.all()].flatMap(({ labels, state }) => this.#told(labels, state))
    return { name, help, type: 'histogram', aggregator: 'sum', values }
  }

  /** Buckets are cumulative. */
  #told(sharedLabels: Labels, { counts, sum }: Spread) {
    const { name, buckets } = this.#options
    let count = 0
    const told = Array.from(counts, (added, at) => {
      count += added
      return { metricName: `${name}_bucket`, labels: { le: buckets[at] ?? '+Inf' }, sharedLabels, value: count }
    })
    const whole = { labels: {}, sharedLabels }
    return [
      ...told,
      { metricName: `${name}_sum`, ...whole, value: sum },
      { metricName: `${name}_count`, ...whole, value: count },
    ]
  }
}
