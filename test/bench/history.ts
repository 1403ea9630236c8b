/**
 * How long the history of builds takes to be written and asked: so many builds of so many actions each, of which one in a
 * hundred changes from build to build.
 *   node test/bench/history.ts [BUILDS] [ACTIONS]      1000 and 10000 by default
 */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventsOf } from '../../src/console/events.ts'
import { type History, openHistory } from '../../src/console/history.ts'
import type { Queries } from '../../src/console/queries.ts'
import { digestOf } from '../../src/core/hash.ts'
import { consoleApi, re } from '../../src/wire/proto.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { readAll } from '../fixture/misses.ts'
import { quietLog } from '../fixture/quiet-log.ts'

const [builds = 1_000, actions = 10_000] = process.argv.slice(2).map(Number)
const batchEvents = 1_000
const repeats = 5
const began = 1_800_000_000_000

const folder = await mkdtemp(join(tmpdir(), 'native-bench-'))
try {
  const path = join(folder, 'history.db')
  const bounds = { bytesMax: 64e9, ageMsMax: Number.MAX_SAFE_INTEGER }
  const history = openHistory({ path, bounds, clock: manualClock(began), log: quietLog })
  const startedAt = performance.now()
  for (let build = 0; build < builds; build += 1) fill(history, build)
  const us = ((performance.now() - startedAt) * 1000) / (builds * actions)
  say(`${builds} builds of ${actions} actions: ${us.toFixed(1)} µs for each lookup`)
  history.use(({ queries }) => askAll(queries))
  history.close()
  say(`file: ${Math.round((await stat(path)).size / 2 ** 20)} MiB`)
} finally {
  await rm(folder, { recursive: true, force: true })
}

/** A build as the cache tells of it, with what its new Actions say. */
function fill(history: History, build: number): void {
  for (let first = 0; first < actions; first += batchEvents) {
    const request = batchOf(build, first)
    const { events } = eventsOf(request)
    const sequence = (build * actions + first) / batchEvents + 1
    history.use(({ ingest }) => ingest.add({ run: request.run, sequence, dropped: 0, events }, began))
    readAll(history, ({ content, action }) => [
      {
        content,
        action,
        command: action,
        inputRoot: action,
        outputs: [`bazel-out/k8-fastbuild/bin/some/package/${action.hash.slice(0, 16)}.o`],
      },
    ])
  }
}

function batchOf(build: number, first: number): consoleApi.RecordRequest {
  const numbers = Array.from({ length: Math.min(batchEvents, actions - first) }, (_, at) => first + at)
  const clients = numbers.map((at) => clientOf(build, at))
  const events = numbers.map((at, place) => {
    const changed = at % 100 === 0
    const { hash, size } = digestOf('sha256', Buffer.from(`${at} ${changed ? build : 0}`))
    return {
      at: began + build * 60_000,
      client: place + 1,
      actionDigest: { hash, sizeBytes: size },
      lookup: { answer: changed ? consoleApi.Lookup.Answer.ABSENT : consoleApi.Lookup.Answer.HIT },
    }
  })
  const request = { run: new Uint8Array([1]), sequence: 1, clients, events }
  return consoleApi.RecordRequest.decode(consoleApi.RecordRequest.encode(request).finish())
}

function clientOf(build: number, at: number): Uint8Array {
  return re.RequestMetadata.encode({
    toolDetails: { toolName: 'bazel', toolVersion: '7.7.1' },
    toolInvocationId: `build-${build}`,
    targetId: `//some/package/path/number${at % 3_000}:target${at % 3_000}`,
    actionMnemonic: at % 2 === 0 ? 'CppCompile' : 'Genrule',
    configurationId: 'c'.repeat(64),
  }).finish()
}

function askAll(queries: Queries): void {
  const build = `build-${builds - 1}`
  const [some] = queries.actions({ build, limit: 1 })
  if (!some) throw new Error('the last build has no actions')
  const { row, target, digest, firstOutput } = some
  time('the last 20 builds', () => queries.builds({ limit: 20 }))
  time('a build by its id', () => queries.builds({ limit: 1, idPrefix: build }))
  time('1,000 actions of a build', () => queries.actions({ build, limit: 1_000 }))
  time('the misses of a build', () => queries.actions({ build, outcomes: ['missed'], limit: 1_000 }))
  time('a target of a build', () => queries.actions({ build, target, limit: 1_000 }))
  time('an action of a build by its digest', () => queries.actions({ build, hashPrefix: digest.hash, limit: 1 }))
  time('10 earlier actions to compare with', () => queries.earlier(row, 10))
  const rows = queries.actions({ build, limit: 500 }).map((each) => each.row)
  time('what 500 actions made', () => queries.outputs(rows))
  time('who made a path', () => queries.producers({ path: firstOutput, limit: 10 }))
  time('who made a path in a build', () => queries.producers({ path: firstOutput, build, limit: 10 }))
}

/** The slowest of several, on the clock and in processor time: on a busy machine the clock says more of the others. */
function time(what: string, ask: () => readonly unknown[]): void {
  const times = Array.from({ length: repeats }, () => {
    const [startedAt, cpu] = [performance.now(), process.cpuUsage()]
    ask()
    const { user, system } = process.cpuUsage(cpu)
    return { wall: performance.now() - startedAt, cpu: (user + system) / 1000 }
  })
  const slowest = (of: 'wall' | 'cpu') => Math.max(...times.map((each) => each[of])).toFixed(1)
  say(`${what}: ${slowest('wall')} ms, ${slowest('cpu')} ms of CPU`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
