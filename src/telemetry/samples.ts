/** One number of a server's metrics. */
interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The content of a server's /metrics. */
export type Samples = readonly Sample[]

const line = /^(native_[a-z0-9_]+)(?:\{(.*)\})? (\S+)/
const label = /([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"/g

/** Reads our own metrics from Prometheus' text format; everything else is skipped. */
export function readSamples(text: string): Samples {
  return text.split('\n').flatMap((each) => {
    const [, name, labels = '', value] = line.exec(each) ?? []
    if (name === undefined) return []
    const pairs = [...labels.matchAll(label)].map(([, key = '', quoted = '']) => [key, unquoted(quoted)])
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }]
  })
}

/** The sum of a metric's samples with these labels; undefined if there are none, or it is not a number. */
export function sumOf(samples: Samples, name: string, labels: Sample['labels'] = {}): number | undefined {
  const found = samples.filter(
    (each) => each.name === name && Object.entries(labels).every(([key, value]) => each.labels[key] === value),
  )
  const sum = found.reduce((total, { value }) => total + value, 0)
  return found.length === 0 || Number.isNaN(sum) ? undefined : sum
}

/** A label of a metric's first sample. */
export function labelOf(samples: Samples, name: string, key: string): string | undefined {
  return samples.find((each) => each.name === name)?.labels[key]
}

function unquoted(text: string): string {
  return text.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
}
