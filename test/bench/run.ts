/**
 * Our servers and two others side by side; README.md here says how and why.
 *   node test/bench/run.ts [--quick] [--write] [--rounds N] [--ms N] [--server NAME]... [--built DIR]... [--console] [--no-sandbox] [--image] [--profile DIR] [--starts N] [--keep] [ROW...]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/core/failure.ts'
import { root } from '../fixture/program.ts'
import { have } from '../fixture/real.ts'
import { checkAnswers } from './check.ts'
import { startGenerator } from './load/generator.ts'
import { machineText } from './machine.ts'
import { writeSection } from './results-file.ts'
import { actions } from './rows/actions.ts'
import { lookups } from './rows/lookups.ts'
import { reads } from './rows/reads.ts'
import { type Bench, type LoadRow, type Measured, sections } from './rows/row.ts'
import { fillForRestart, memoryAfterLoad, restart, startEmpty, upAndDeploy } from './rows/starts.ts'
import { writes } from './rows/writes.ts'
import { buildboxCasd, type Contender, justbuild, ours, type Running } from './server.ts'
import { fill, makeBlobs, makeStock } from './stock.ts'
import { createResults, type Results } from './table.ts'

const { values: flags, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    ms: { type: 'string' },
    built: { type: 'string', multiple: true, default: [root] },
    server: { type: 'string', multiple: true },
    console: { type: 'boolean', default: false },
    'no-sandbox': { type: 'boolean', default: false },
    image: { type: 'boolean', default: false },
    profile: { type: 'string' },
    starts: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
  },
})
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 5))
/** How often the servers of the load rows start anew; each time they get all rounds. */
const starts = Number(flags.starts)
const loadRows: readonly LoadRow[] = [...lookups, ...reads, ...writes, ...actions]
const otherRows = ['start', 'restart', 'deploy']
/** How long a row makes load in a round. */
const msPerRow = 350
const restartBlobs = 20_000
/** The generator used this share of one processor: the figure says as much of it as of the server. */
const generatorShareMax = 0.9

/** Our own checkouts: the first is the one that is compared with the others. */
const builds = flags.built.map((folder, at) => ({ name: at === 0 ? 'native' : basename(folder), folder }))

const known = [...loadRows.map((row) => row.name), ...otherRows]
const unknown = names.filter((name) => !known.includes(name))
if (unknown.length > 0 || !(rounds > 0) || !(starts > 0)) {
  process.stderr.write(`no such row: ${unknown.join(', ')}\nrows: ${known.join(' ')}\n`)
  process.exit(2)
}
process.exitCode = await main()

async function main(): Promise<number> {
  const began = Date.now()
  const machine = machineText()
  const contenders = await chosenContenders()
  const folder = await mkdtemp(join(tmpdir(), 'native-bench-'))
  const results = createResults(
    contenders.map((each) => each.name),
    Object.values(sections),
  )
  const faults = new Map<string, number>()
  try {
    const versions: string[] = []
    for (const each of contenders) versions.push(await each.version(folder))
    await loadPart(contenders, folder, results, faults)
    await startPart(contenders, folder, results)
    const seconds = Math.round((Date.now() - began) / 1000)
    const times = starts > 1 ? `${starts} times ` : ''
    const made = `${new Date(began).toISOString().slice(0, 10)}, ${times}${rounds} rounds in ${seconds} s`
    const facts = [`${made}: \`npm run bench -- ${process.argv.slice(2).join(' ')}\``, machine, versions.join('; ')]
    const text = [facts.map((each) => `- ${each}`).join('\n'), results.text(), ...notes(faults)].join('\n\n')
    process.stdout.write(`${text}\n`)
    if (flags.write) writeSection(join(root, 'test/bench/RESULTS.md'), 'Servers', text)
  } finally {
    if (flags.keep) say(`kept: ${folder}`)
    else await rm(folder, { recursive: true, force: true })
  }
  // A wrong answer of ours makes the run fail; a peer's is noted.
  return [...faults.keys()].some((each) => each.startsWith('native, ') && each.includes('calls')) ? 1 : 0
}

async function chosenContenders(): Promise<Contender[]> {
  const peers = (await have('sid:buildbox-casd', 'sid:justbuild')) ? [buildboxCasd, justbuild] : []
  const own = builds.map(({ name, folder }) => ours(name, folder, { profiles: flags.profile }))
  const telling = flags.console ? [ours('with console', root, { profiles: flags.profile, console: true })] : []
  const open = flags['no-sandbox'] ? [ours('no sandbox', root, { profiles: flags.profile, sandbox: 'off' })] : []
  const within = flags.image ? [ours('image', root, { profiles: flags.profile, sandbox: 'on', image: true })] : []
  const all = [...own, ...telling, ...open, ...within, ...peers]
  return flags.server ? all.filter((each) => flags.server?.includes(each.name)) : all
}

/** Everything that is timed on servers that stay up. */
async function loadPart(
  contenders: readonly Contender[],
  folder: string,
  results: Results,
  faults: Map<string, number>,
): Promise<void> {
  const rows = loadRows.filter(({ name }) => isWanted(name))
  if (rows.length === 0) return
  const stock = makeStock()
  const generator = startGenerator()
  const msMax = Number(flags.ms ?? (flags.quick ? 100 : msPerRow))
  const bench: Bench = { generator, stock, msMax, share: msMax / msPerRow }
  try {
    for (let start = 1; start <= starts; start += 1) {
      const place = join(folder, `load-${start}`)
      await loadOnce(contenders, bench, rows, { place, results, faults })
      if (starts > 1) say(`start ${start} of ${starts}`)
      if (!flags.keep) await rm(place, { recursive: true, force: true })
    }
  } finally {
    await generator.stop()
  }
}

/** Starts every contender, warms it up in a round that does not count, and times all rounds. */
async function loadOnce(
  contenders: readonly Contender[],
  bench: Bench,
  rows: readonly LoadRow[],
  { place, results, faults }: { place: string; results: Results; faults: Map<string, number> },
): Promise<void> {
  const running = new Map<Contender, Running>()
  try {
    for (const each of shuffled(contenders)) {
      const server = await each.launch(join(place, each.name))
      running.set(each, server)
      await fill(bench.stock, server)
      await checkAnswers(bench.stock, server)
      say(`${each.name}: filled, and its answers are right`)
    }
    for (let round = 0; round <= rounds; round += 1) {
      for (const row of rows) {
        for (const [contender, server] of shuffled([...running])) {
          const measured = await measure(row, bench, contender, server)
          noteFaults(faults, row, contender, measured)
          if (round > 0) results.note(contender.name, measured.figures)
        }
      }
      say(round === 0 ? 'warm' : `round ${round} of ${rounds}`)
    }
    for (const [contender, server] of running) results.note(contender.name, [memoryAfterLoad(server)])
  } finally {
    for (const server of running.values()) await server.stop()
  }
}

async function measure(row: LoadRow, bench: Bench, contender: Contender, server: Running): Promise<Measured> {
  try {
    return await row.measure(bench, server)
  } catch (error) {
    throw new Error(`${row.name}, ${contender.name}: ${messageOf(error)}`, { cause: error })
  }
}

function noteFaults(faults: Map<string, number>, row: LoadRow, contender: Contender, measured: Measured): void {
  const note = (what: string, count: number) => {
    const key = `${contender.name}, ${row.name}: ${what}`
    faults.set(key, (faults.get(key) ?? 0) + count)
  }
  for (const [kind, count] of Object.entries(measured.faults)) note(`calls that ended with ${kind}`, count)
  if (measured.generatorShare > generatorShareMax) note('rounds in which the load generator was the limit', 1)
}

/** Everything that starts servers. */
async function startPart(contenders: readonly Contender[], folder: string, results: Results): Promise<void> {
  const filled = (contender: Contender) => join(folder, `${contender.name}-restart`)
  const blobs = isWanted('restart') ? makeBlobs('restart', restartBlobs, 1024) : []
  if (isWanted('restart')) for (const each of contenders) await fillForRestart(each, filled(each), blobs)
  for (let round = 1; round <= rounds; round += 1) {
    for (const each of shuffled(contenders)) {
      if (isWanted('start')) results.note(each.name, await startEmpty(each, folder))
      if (isWanted('restart')) results.note(each.name, await restart(each, filled(each), blobs))
    }
    if (isWanted('deploy'))
      for (const { name, folder } of shuffled(builds)) results.note(name, await upAndDeploy(folder))
  }
}

function isWanted(name: string): boolean {
  return names.length === 0 || names.includes(name)
}

function notes(faults: ReadonlyMap<string, number>): string[] {
  if (faults.size === 0) return []
  return [[...faults].map(([what, count]) => `- ${what}: ${count}`).join('\n')]
}

function shuffled<T>(list: readonly T[]): T[] {
  const keyed = list.map((value) => ({ value, key: Math.random() }))
  return keyed.sort((a, b) => a.key - b.key).map(({ value }) => value)
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
