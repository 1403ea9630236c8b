/** The labels of one series of a metric. */
export type Labels = Readonly<Record<string, string>>

/** The series of one metric, looked up by labels. */
export interface SeriesSet<State> {
  /**
   * The series with these labels, created if necessary; always the same one.
   * @throws Error for a label that the metric does not have: a bug of ours
   */
  of(labels: Labels): State
  /** In order of creation. */
  all(): Iterable<{ readonly labels: Labels; readonly state: State }>
}

/**
 * Keeps the counts of series as plain numbers, which prom-client reads on request: prom-client itself looks the labels
 * up each time, which takes a tenth of the time of a small call.
 */
export function createSeries<State>(names: readonly string[], make: () => State): SeriesSet<State> {
  const known = new Map<string, { readonly labels: Labels; readonly state: State }>()
  return {
    of(labels) {
      const key = names.map((name) => labels[name] ?? '').join('\0')
      const found = known.get(key)
      if (found) return found.state
      const strange = Object.keys(labels).find((name) => !names.includes(name))
      if (strange !== undefined) throw new Error(`the metric has no label ${strange}`)
      const state = make()
      known.set(key, { labels, state })
      return state
    },
    all: () => known.values(),
  }
}
