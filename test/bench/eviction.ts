/**
 * How often a cache has what it is asked for: node test/bench/eviction.ts [--only NAME]
 * Our disk store beside LRU, S3-FIFO, SIEVE and FIFO of the same size. Prints a table for
 * src/store/README.md, in which no figure depends on how fast the machine is; the last column is what our
 * store wrote to its files for each byte that it was given (Linux).
 */
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type Open, policies } from './eviction/policies.ts'
import { bazelTrace, type Trace, withinBuilds, workingSetBytes, zipfTrace } from './eviction/traces.ts'

const { values: flags } = parseArgs({ options: { only: { type: 'string', default: '' } } })
const shares = [0.1, 0.25, 0.5]
const alphas = [0.7, 0.9, 1.1]
const traces: [string, () => Trace][] = [
  ['Bazel', bazelTrace],
  ['Bazel, again in the same build', withinBuilds],
  ...alphas.map((alpha): [string, () => Trace] => [`Zipf ${alpha}`, () => zipfTrace(alpha, false)]),
  ...alphas.map((alpha): [string, () => Trace] => [`Zipf ${alpha} with scans`, () => zipfTrace(alpha, true)]),
]

const names = Object.keys(policies)
process.stdout.write(
  `| uses | size of the store | ${names.join(' | ')} | written |\n| --- | --- |${names.map(() => ' --- |').join('')} --- |\n`,
)
for (const [name, make] of traces) {
  if (!name.includes(flags.only)) continue
  const trace = make()
  const whole = workingSetBytes(trace)
  for (const share of shares) {
    const cells: string[] = []
    let written = ''
    for (const open of Object.values(policies)) {
      const result = await play(open, trace, whole * share)
      cells.push(result.hits)
      written ||= result.written
    }
    const size = `${share * 100} % (${((share * whole) / 1e6).toFixed(1)} MB)`
    process.stdout.write(`| ${name} | ${size} | ${cells.join(' | ')} | ${written} |\n`)
  }
}

/** Hits among the uses that count, in per cent: of uses, and of their bytes; and what was written for a byte that was missing. */
async function play(open: Open, { ids, bytes, counts }: Trace, bytesMax: number) {
  const writtenBefore = await bytesWritten()
  let missing = 0
  const policy = await open(bytesMax)
  const all = { uses: 0, bytes: 0 }
  const hits = { uses: 0, bytes: 0 }
  for (const [at, id] of ids.entries()) {
    const size = bytes[id] ?? 0
    const hit = await policy.use(id, size)
    if (!hit) missing += size
    if (!counts[at]) continue
    all.uses += 1
    all.bytes += size
    if (!hit) continue
    hits.uses += 1
    hits.bytes += size
  }
  await policy.close()
  const written = (await bytesWritten()) - writtenBefore
  return {
    hits: `${percent(hits.uses, all.uses)} (${percent(hits.bytes, all.bytes)})`,
    written: (written / missing).toFixed(2),
  }
}

/** What this process has written to files so far. */
async function bytesWritten(): Promise<number> {
  if (process.platform !== 'linux') return Number.NaN
  return Number(/^wchar: (\d+)$/m.exec(await readFile('/proc/self/io', 'utf8'))?.[1])
}

function percent(part: number, whole: number): string {
  return ((part / whole) * 100).toFixed(1)
}
