/**
 * A day of builds in some minutes: what a console takes in memory and on disk when its history is full, hour by hour. The
 * day is told by a clock that is moved; what is in between happens as it does in a server.
 *   node --expose-gc test/bench/console-day.ts [--builds 60] [--actions 200] [--hours 24] [--size 64000000]
 */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { finished, printed, type Sent, started, target, tell } from '../console/bes-client.ts'
import { callerOf, hour, openTestConsole, ran } from '../console/fixture.ts'

const { values } = parseArgs({
  options: {
    /** An hour. */
    builds: { type: 'string', default: '60' },
    /** A build; one in ten is new in each. */
    actions: { type: 'string', default: '200' },
    hours: { type: 'string', default: '24' },
    /** What the history may take, in bytes. */
    size: { type: 'string', default: '64000000' },
  },
})
const [builds, actions, hours, size] = [values.builds, values.actions, values.hours, values.size].map(Number) as [
  number,
  number,
  number,
  number,
]
/** What a file may have beyond the bound (history.ts), with its log. */
const marginBytes = 80 * 1024 * 1024
/** The cache is in this process as well: it is to be full from the first hour on, and not to grow beside the console. */
const cacheBytesMax = 2 ** 20
const say = (text: string) => process.stdout.write(`${text}\n`)
const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`

const folder = await mkdtemp(join(tmpdir(), 'native-day-'))
const town = openTestConsole({ folder, bytesMax: size, ageMsMax: 30 * 24 * hour, cacheBytesMax })
try {
  const heaps: number[] = []
  for (let each = 1; each <= hours; each += 1) {
    for (let build = 0; build < builds; build += 1) {
      await oneBuild((each - 1) * builds + build)
      town.clock.advance(hour / builds)
    }
    const [{ actions: known = 0 } = {}] = await town.history.builds({ limit: 1 })
    const kept = (await town.history.builds({ limit: 1_000 })).length
    globalThis.gc?.()
    const { heapUsed, rss } = process.memoryUsage()
    heaps.push(heapUsed)
    const disk = await bytesIn(folder)
    say(
      `hour ${each}: ${kept} builds kept, the last of ${known} actions; disk ${mib(disk)}, heap ${mib(heapUsed)}, resident ${mib(rss)}`,
    )
    if (disk > size + marginBytes) throw new Error(`the history takes ${mib(disk)} on disk and may take ${mib(size)}`)
  }
  const [middle = 0, last = 0] = [heaps[Math.floor(hours / 2)], heaps.at(-1)]
  say(`heap from the middle of the day to its end: ${(last / middle).toFixed(2)} times`)
} finally {
  town.close()
  await rm(folder, { recursive: true })
}

async function oneBuild(number: number): Promise<void> {
  const invocation = `build-${number}`
  for (let at = 0; at < actions; at += 1) {
    const isNew = at % 10 === 0
    const name = isNew ? `${at} of ${number}` : String(at)
    const action = await town.action({ argument: name, outputs: [`out/${at}.o`] })
    const caller = callerOf({ invocation, target: `//app:lib${at % 50}`, mnemonic: 'CppCompile' })
    if (isNew) town.recorder.execution(caller, action, ran())
    else town.recorder.lookup(caller, action, { answer: 'hit' })
    if (at % 500 === 499) await town.settled()
  }
  const told: Sent[] = [
    started(),
    ...Array.from({ length: 50 }, (_, at) => target(`//app:lib${at}`)),
    printed('compiling\n'.repeat(100)),
    finished(),
    'last',
  ]
  await tell(town.channel, invocation, told)
  await town.settled()
}

async function bytesIn(path: string): Promise<number> {
  const files = await readdir(path)
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(path, file))).size))
  return sizes.reduce((sum, each) => sum + each, 0)
}
