/**
 * How long it takes to explain a build in which one changed header makes all actions miss: its last build, after so many
 * others, as the console's database has them.
 *   node test/bench/explain.ts [ACTIONS] [BUILDS]      10000 and 10 by default
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { explanationStore } from '../../src/console/explanation-store.ts'
import { type History, openHistory } from '../../src/console/history.ts'
import { localHistory } from '../../src/console/local-history.ts'
import type { BuildRecord, LocalHistory } from '../../src/core/build-history.ts'
import { type Explanation, explainBuild, explainSettled } from '../../src/explain/build.ts'
import { createExplanations } from '../../src/explain/explanations.ts'
import { keepExplanations } from '../../src/explain/kept.ts'
import { causeText } from '../../src/explain/sentences.ts'
import { createSettled } from '../../src/explain/settled.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { began, fillWithMisses } from '../fixture/misses.ts'
import { quietLog } from '../fixture/quiet-log.ts'

const [actions = 10_000, builds = 10] = process.argv.slice(2).map(Number)
const repeats = 5

const folder = await mkdtemp(join(tmpdir(), 'native-bench-'))
try {
  const path = join(folder, 'history.db')
  const bounds = { bytesMax: 64e9, ageMsMax: Number.MAX_SAFE_INTEGER }
  const history = openHistory({ path, bounds, clock: manualClock(began), log: quietLog })
  for (let build = 0; build < builds; build += 1) fillWithMisses(history, { build, builds, actions })
  await explainLast(history)
  history.close()
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function explainLast(history: History): Promise<void> {
  const local = localHistory(history, { fetch: async () => new Map() })
  const [build] = await local.builds({ limit: 1 })
  if (!build) throw new Error('there is no build')
  const ask = async (explain: () => Promise<Explanation>) => {
    const [startedAt, cpu] = [performance.now(), process.cpuUsage()]
    const { causes } = await explain()
    const { user, system } = process.cpuUsage(cpu)
    const [first] = causes
    const told = first ? `${first.actions} ${causeText(first)}` : ''
    if (told !== `${actions} input base/version.h changed`) throw new Error(`explained as ${told}`)
    return { wall: performance.now() - startedAt, cpu: (user + system) / 1000 }
  }
  const times: Awaited<ReturnType<typeof ask>>[] = []
  for (let at = 0; at < repeats; at += 1) times.push(await ask(() => explainBuild(local, build)))
  const atEnd: Awaited<ReturnType<typeof ask>>[] = []
  for (let at = 0; at < repeats; at += 1) {
    const settled = createSettled(local, manualClock(build.lastSeen))
    await explainSettled(local, build, settled)
    atEnd.push(await ask(() => explainBuild(local, build, { settled })))
  }
  const kept = keepExplanations(local)
  await kept(build, {})
  const again = await ask(() => kept(build, {}))
  const middle = (times: typeof atEnd, of: 'wall' | 'cpu') =>
    times.map((each) => each[of]).sort((a, b) => a - b)[repeats >> 1] ?? 0
  say(`${actions} misses that one header causes, in a history of ${builds} builds, median of ${repeats}:`)
  say(`  ${middle(times, 'wall').toFixed(0)} ms, ${middle(times, 'cpu').toFixed(0)} ms of CPU`)
  say(
    `  at its end, those before its last 3 s having been explained while it went on: ${middle(atEnd, 'wall').toFixed(0)} ms, ${middle(atEnd, 'cpu').toFixed(0)} ms of CPU`,
  )
  say(`  asked again while nothing was built: ${again.wall.toFixed(2)} ms`)
  await explainKept(history, local, build, ask)
}

type Ask = (explain: () => Promise<Explanation>) => Promise<{ readonly wall: number; readonly cpu: number }>

/** A console that has just been started: what an earlier one has kept, compared with any build and with single ones. */
async function explainKept(history: History, local: LocalHistory, build: BuildRecord, ask: Ask): Promise<void> {
  const clock = manualClock(build.lastSeen + 60_000)
  const started = () => createExplanations(local, clock, explanationStore(history))
  const sayOf = async (what: string, against?: string) => {
    const console = started()
    const { wall, cpu } = await ask(() => console.of(build, { against }))
    console.close()
    say(`  ${what}: ${wall.toFixed(1)} ms, ${cpu.toFixed(1)} ms of CPU`)
  }
  await sayOf('by a console that has just been started')
  await sayOf('by another one after it')
  const [, before, earlier] = await local.builds({ limit: 3 })
  await sayOf('compared with the build before', before?.id)
  await sayOf('compared with the one before that', earlier?.id)
  await sayOf('by another console after it', earlier?.id)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
