import { type LoadRow, measured, rateOf, runJob, sections } from './row.ts'

const kib = 1024
const mib = 1024 * 1024

/** Calls that bring fresh blobs to the server. Their numbers bound what a run writes to the disk. */
export const writes: readonly LoadRow[] = [
  {
    name: 'batch-update',
    async measure(bench, running) {
      const work = { kind: 'updates', calls: Math.ceil(1000 * bench.share), blobs: 100, size: kib } as const
      const ran = await runJob(bench, running, { address: running.cache, connections: 4, inFlight: 1, work })
      return rateOf('BatchUpdateBlobs, fresh, 100 x 1 KiB, 4 in flight', ran)
    },
  },
  small('write-1k', 1, 1, 4000),
  small('write-1k-100', 4, 25, 12_000),
  {
    name: 'write-mix',
    async measure(bench, running) {
      const work = { kind: 'writes', sizes: sizeMix(Math.ceil(3000 * bench.share)) } as const
      const ran = await runJob(bench, running, { address: running.cache, connections: 4, inFlight: 8, work })
      return rateOf('ByteStream.Write, fresh, mixed sizes, 32 in flight', ran)
    },
  },
  {
    name: 'write-16m',
    async measure(bench, running) {
      const work = {
        kind: 'writes',
        sizes: Array.from({ length: Math.ceil(12 * bench.share) }, () => 16 * mib),
      } as const
      const job = { address: running.cache, connections: 4, inFlight: 1, work }
      const { outcome, cpuUs } = await runJob(bench, running, job)
      const title = 'ByteStream.Write, fresh, 16 MiB, 4 connections'
      return measured(outcome, [
        { section: sections.rate, title, unit: 'MB/s', value: outcome.sentBytes / 1000 / outcome.ms },
        { section: sections.cpu, title, unit: 'µs', value: cpuUs },
      ])
    },
  },
]

function small(name: string, connections: number, inFlight: number, count: number): LoadRow {
  return {
    name,
    async measure(bench, running) {
      const sizes = Array.from({ length: Math.ceil(count * bench.share) }, () => kib)
      const job = { address: running.cache, connections, inFlight, work: { kind: 'writes', sizes } as const }
      return rateOf(
        `ByteStream.Write, fresh, 1 KiB, ${connections * inFlight} in flight`,
        await runJob(bench, running, job),
      )
    },
  }
}

/** The share of blobs below a size, as builds have them: most between 10 B and 10 kB, and a long tail. */
const classes = [
  { share: 0.97, from: 10, to: 10e3 },
  { share: 0.024, from: 10e3, to: 100e3 },
  { share: 0.005, from: 100e3, to: 1e6 },
  { share: 0.001, from: 1e6, to: 4e6 },
] as const

/** Sizes in bytes, evenly spread over the logarithm in each class; the same ones each time, the large ones apart. */
function sizeMix(count: number): number[] {
  const sizes: number[] = []
  for (const { share, from, to } of classes) {
    const members = Math.max(1, Math.round(count * share))
    for (let at = 0; at < members; at += 1) sizes.push(Math.round(from * (to / from) ** ((at + 0.5) / members)))
  }
  // A step that has no factor in common with the length visits each place once.
  const step = coprimeStep(sizes.length)
  return sizes.map((_, at) => sizes[(at * step) % sizes.length] ?? 0)
}

function coprimeStep(length: number): number {
  for (let step = Math.floor(length * 0.618) || 1; ; step += 1) if (greatestDivisor(step, length) === 1) return step
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}
