import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Clock } from '../core/clock.ts'
import { SeriesHistogram } from './histogram.ts'
import { createLastHour } from './last-hour.ts'
import { createSeries, type Labels } from './series.ts'

/** A count that only grows. */
export interface CounterMetric {
  inc(labels?: Labels, by?: number): void
  /** The count for these labels, for hot paths: incrementing it is adding to a number. */
  of(labels: Labels): Count
}
/** One count of a counter. */
export interface Count {
  /** @param by 0 or more; 1 when absent */
  add(by?: number): void
}
/** A value that goes up and down. */
export interface GaugeMetric {
  set(value: number, labels?: Labels): void
}
/** A distribution of values. */
export interface HistogramMetric {
  observe(value: number, labels?: Labels): void
  /** The values for these labels, for hot paths. */
  of(labels: Labels): { observe(value: number): void }
}

/** A value with its labels. */
export interface Row {
  readonly labels: Labels
  readonly value: number
}

/** A server's metrics. Names begin with `native_` and contain units (`_seconds`, `_bytes`). */
export interface Metrics {
  /** Asking for a name again gives the same metric. */
  counter(name: string, help: string, labels?: readonly string[]): CounterMetric
  /** A count over the last hour, to the minute; reported as a gauge, since it also falls. */
  lastHour(name: string, help: string, labels: readonly string[], clock: Clock): CounterMetric
  /** @param read called whenever the metrics are requested, instead of set */
  gauge(name: string, help: string, labels?: readonly string[], read?: () => number): GaugeMetric
  /** A gauge of which the labels come and go. @param read called whenever the metrics are requested */
  rows(name: string, help: string, labels: readonly string[], read: () => readonly Row[]): void
  /** @param buckets upper bounds, ascending; if absent, those for seconds */
  histogram(name: string, help: string, labels?: readonly string[], buckets?: readonly number[]): HistogramMetric
  /** All of them in Prometheus' text format. */
  text(): Promise<string>
  /** The content type of that text. */
  readonly contentType: string
}

const secondsBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

export interface MetricsOptions {
  /** Also memory, CPU, event loop and garbage collection of this process. */
  readonly process?: boolean
}

/** An empty registry: two servers in one process do not share one. */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry()
  if (options.process) collectDefaultMetrics({ register: registry })
  const known = new Map<string, unknown>()

  function once<T>(name: string, make: () => T): T {
    const metric = (known.get(name) as T | undefined) ?? make()
    known.set(name, metric)
    return metric
  }

  function common(name: string, help: string, labels: readonly string[]) {
    return { name, help, labelNames: [...labels], registers: [registry] }
  }

  return {
    counter: (name, help, labels = []) =>
      once(name, () => {
        const { of, all } = createSeries(labels, createTotal)
        new Counter({
          ...common(name, help, labels),
          collect() {
            this.reset()
            for (const { labels: values, state } of all()) this.inc(values, state.total)
          },
        })
        return { inc: (values = {}, by = 1) => of(values).add(by), of }
      }),
    lastHour: (name, help, labels, clock) =>
      once(name, () => {
        const { of, all } = createSeries(labels, () => createLastHour(clock))
        new Gauge({
          ...common(name, help, labels),
          collect() {
            for (const { labels: values, state } of all()) this.set(values, state.sum())
          },
        })
        return { inc: (values = {}, by = 1) => of(values).add(by), of }
      }),
    gauge: (name, help, labels = [], read) =>
      once(name, () => {
        const gauge = new Gauge({
          ...common(name, help, labels),
          ...(read && {
            collect() {
              this.set(read())
            },
          }),
        })
        return { set: (value, values = {}) => gauge.set(values, value) }
      }),
    rows: (name, help, labels, read) =>
      void once(
        name,
        () =>
          new Gauge({
            ...common(name, help, labels),
            collect() {
              this.reset()
              for (const { labels: values, value } of read()) this.set(values, value)
            },
          }),
      ),
    histogram: (name, help, labels = [], buckets = secondsBuckets) =>
      once(name, () => {
        const { of } = new SeriesHistogram({ name, help, labelNames: labels, buckets, registry }).series
        return { observe: (value, values = {}) => of(values).observe(value), of }
      }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

function createTotal(): Count & { readonly total: number } {
  let total = 0
  return {
    get total() {
      return total
    },
    add(by = 1) {
      total += by
    },
  }
}
