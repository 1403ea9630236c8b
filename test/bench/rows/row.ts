import type { Generator } from '../load/generator.ts'
import type { Job, Outcome } from '../load/job.ts'
import { cpuMs } from '../processes.ts'
import type { Running } from '../server.ts'
import type { Stock } from '../stock.ts'

export type Unit = '/s' | 'MB/s' | 's' | 'ms' | 'µs' | 'MB'

/** One number of one round, for one server. */
export interface Figure {
  readonly section: string
  readonly title: string
  readonly unit: Unit
  readonly value: number
}

export interface Measured {
  readonly figures: readonly Figure[]
  /** What went wrong, by kind; a figure with faults is not to be trusted. */
  readonly faults: Readonly<Record<string, number>>
  /** The load generator used so much of one processor; near 1 it was the limit. */
  readonly generatorShare: number
}

/** Something that is timed on servers that are up and filled. */
export interface LoadRow {
  /** What it is called on the command line. */
  readonly name: string
  measure(bench: Bench, running: Running): Promise<Measured>
}

export interface Bench {
  readonly generator: Generator
  readonly stock: Stock
  /** How long a row makes load in one round, at most. */
  readonly msMax: number
  /** Where a row makes a fixed number of calls, this share of them. */
  readonly share: number
}

export const sections = {
  rate: 'Throughput',
  latency: 'Latency',
  cpu: 'CPU of the server per call',
  memory: 'Memory',
  start: 'Start',
} as const

/** Runs a job, and takes the processor time of the whole server meanwhile. */
export async function runJob(
  { generator, msMax }: Bench,
  { pids }: Running,
  job: Omit<Job, 'msMax' | 'status' | 'answerBytesMin'> & Partial<Job>,
): Promise<{ outcome: Outcome; cpuUs: number }> {
  const run = await generator.prepare({ msMax, status: 0, answerBytesMin: 0, ...job })
  const before = cpuMs(pids)
  const outcome = await run()
  return { outcome, cpuUs: ((cpuMs(pids) - before) * 1000) / Math.max(outcome.calls, 1) }
}

/** The figures of a row that is a number of calls a second. */
export function rateOf(title: string, { outcome, cpuUs }: { outcome: Outcome; cpuUs: number }): Measured {
  return measured(outcome, [
    { section: sections.rate, title, unit: '/s', value: (outcome.calls * 1000) / outcome.ms },
    { section: sections.cpu, title, unit: 'µs', value: cpuUs },
  ])
}

export function measured(outcome: Outcome, figures: readonly Figure[]): Measured {
  return { figures, faults: outcome.wrong, generatorShare: outcome.ownCpuMs / outcome.ms }
}
