import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openPlaces, type Place } from './inputs/file-systems.ts'
import { mountingWays, type Stock, type Way, ways } from './inputs/ways.ts'
import { median } from './table.ts'

/**
 * What each way to give an action its inputs costs on several file systems:
 * node test/bench/inputs.ts [--rounds 5] [--folder DIR] [--quick]. Root is asked for a mount namespace, in which file systems are
 * made in files under DIR; anybody else measures DIR's own. Milliseconds to make them, median of the rounds.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string', default: tmpdir() },
    quick: { type: 'boolean', default: false },
    mounting: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const stocks = [
  { title: '1 x 4 KiB', count: 1, bytes: 4096 },
  { title: '200 x 4 KiB', count: 200, bytes: 4096 },
  { title: '20,000 x 4 KiB', count: 20_000, bytes: 4096 },
  { title: '1 x 1 MiB', count: 1, bytes: 1024 ** 2 },
  { title: '1 x 64 MiB', count: 1, bytes: 64 * 1024 ** 2 },
  { title: '10 x 30 MiB', count: 10, bytes: 30 * 1024 ** 2 },
].filter(({ count, bytes }) => !values.quick || (count <= 200 && bytes < 1024 ** 2 * 8))

if (process.getuid?.() === 0 && !values.mounting) {
  const program = fileURLToPath(import.meta.url)
  const args = ['--mount', '--', process.execPath, program, ...process.argv.slice(2), '--mounting']
  process.exitCode = spawnSync('unshare', args, { stdio: 'inherit' }).status ?? 1
} else {
  const folder = realpathSync(mkdtempSync(join(values.folder, 'native-inputs-')))
  const places = openPlaces(folder, values.mounting)
  try {
    for (const place of places) await measure(place)
  } finally {
    for (const place of places) spawnSync('umount', [place.folder], { stdio: 'ignore' })
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure({ name, folder }: Place): Promise<void> {
  const all = values.mounting ? [...ways, ...mountingWays] : ways
  const cells = new Map(all.map((way) => [way, [] as string[]]))
  for (const { count, bytes } of stocks) {
    const stock = fill(join(folder, 'stock'), count, bytes)
    const times = new Map(all.map((way) => [way, [] as number[]]))
    // One more, to warm up; in turns, so that what else the machine does hits all alike.
    for (let round = 0; round <= rounds; round += 1)
      for (const way of all) {
        const ms = tooMuch(way, count, bytes) ? undefined : await timed(way, stock, join(folder, 'action'))
        if (ms !== undefined && round > 0) times.get(way)?.push(ms)
      }
    for (const [way, own] of times) cells.get(way)?.push(own.length > 0 ? median(own).toFixed(2) : '-')
    rmSync(stock.folder, { recursive: true })
  }
  const line = (parts: readonly string[]) => `| ${parts.join(' | ')} |\n`
  process.stdout.write(line([name, ...stocks.map(({ title }) => title)]))
  process.stdout.write(line(['---', ...stocks.map(() => '---:')]))
  for (const [way, own] of cells) process.stdout.write(line([way.name, ...own]))
  process.stdout.write('\n')
}

function tooMuch({ countMax = Infinity, bytesMax = Infinity }: Way, count: number, bytes: number): boolean {
  return count > countMax || bytes > bytesMax
}

function fill(folder: string, count: number, size: number): Stock {
  mkdirSync(folder)
  const bytes = Array.from({ length: count }, (_, at) => Buffer.alloc(size, at & 255))
  bytes.forEach((each, at) => {
    writeFileSync(join(folder, String(at)), each, { mode: 0o444 })
  })
  return { folder, count, bytes }
}

/** Undefined where the file system cannot do it. */
async function timed(way: Way, stock: Stock, into: string): Promise<number | undefined> {
  mkdirSync(into)
  let ended = false
  try {
    const start = performance.now()
    await way.make(stock, into)
    const made = performance.now() - start
    const startEnd = performance.now()
    way.end?.(into)
    ended = true
    return made + performance.now() - startEnd
  } catch {
    // Reflinks, or an upper layer on an overlay: not here.
    return undefined
  } finally {
    if (!ended) spawnSync('umount', ['-R', join(into, 'merged')], { stdio: 'ignore' })
    rmSync(into, { recursive: true, force: true })
  }
}
