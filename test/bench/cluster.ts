/**
 * A real kind cluster: how long it takes to come up, by step; how fast images come into it; and what a Gateway costs,
 * beside the same servers as processes of this machine.
 *   node test/bench/cluster.ts [--quick] [--write] [--rounds N] [--ms N]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Addresses } from '../../src/cluster/addresses.ts'
import { createKindNative, type KindNative } from '../fixture/kind.ts'
import { type KindParts, kindParts } from '../fixture/kind-parts.ts'
import { root } from '../fixture/program.ts'
import { checkAnswers } from './check.ts'
import { loadings } from './cluster/loading.ts'
import { stepFigures } from './cluster/steps.ts'
import { startGenerator } from './load/generator.ts'
import { machineText } from './machine.ts'
import { writeSection } from './results-file.ts'
import { actions } from './rows/actions.ts'
import { lookups } from './rows/lookups.ts'
import { reads } from './rows/reads.ts'
import { type Bench, sections } from './rows/row.ts'
import { writes } from './rows/writes.ts'
import { ours, type Running } from './server.ts'
import { fill, makeStock } from './stock.ts'
import { createResults } from './table.ts'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    ms: { type: 'string' },
  },
})
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 5))
const msPerRow = 350
const msMax = Number(flags.ms ?? (flags.quick ? 100 : msPerRow))
const name = 'bench'
/** As the other contender has them. */
const sizes = ['--workers', '1', '--slots', '2', '--cache-size', '8GB'] as const
const states = {
  cold: 'From nothing, the images of nodes and controllers being on this machine',
  warm: 'All is there already',
} as const

process.exitCode = await main()

async function main(): Promise<number> {
  const parts = await kindParts()
  if (!parts) return 1
  const began = Date.now()
  const machine = machineText()
  const folder = await mkdtemp(join(tmpdir(), 'native-bench-cluster-'))
  const native = await createKindNative(parts, name)
  try {
    const texts = [await starts(native), await images(native, parts, folder), await gateways(native, folder)]
    const seconds = Math.round((Date.now() - began) / 1000)
    const command = `node test/bench/cluster.ts ${process.argv.slice(2).join(' ')}`.trim()
    const facts = [
      `${new Date(began).toISOString().slice(0, 10)}, ${rounds} rounds in ${seconds} s: \`${command}\``,
      machine,
    ]
    const text = [facts.map((each) => `- ${each}`).join('\n'), ...texts].join('\n\n')
    process.stdout.write(`${text}\n`)
    if (flags.write) writeSection(join(root, 'test/bench/RESULTS.md'), 'Cluster', text)
    return 0
  } finally {
    await native.dispose()
    await rm(folder, { recursive: true, force: true })
  }
}

/** `up` and `deploy`, each twice; the cluster is left deployed. */
async function starts(native: KindNative): Promise<string> {
  const results = createResults(['seconds'], Object.values(states))
  for (const state of [states.cold, states.warm]) {
    const start = performance.now()
    const up = await native.ok('up', '--driver', 'kind', '--gateway', 'envoy', '--name', name)
    const deploy = await native.ok('deploy', '--name', name, ...sizes)
    const value = (performance.now() - start) / 1000
    results.note('seconds', [
      ...stepFigures(state, `${up.stdout}\n${deploy.stdout}`),
      { section: state, title: '**up and deploy, to an executed action**', unit: 's', value },
    ])
    say('up and deployed')
  }
  return results.text()
}

async function images(native: KindNative, parts: KindParts, folder: string): Promise<string> {
  const results = createResults(['native', 'kind'], ['Images into a node'])
  const layout = join(folder, 'layout')
  await native.ok('image', 'copy', '--base', parts.serverBase, `oci:${layout}`)
  await loadings(native, name, layout, (who, figures) => results.note(who, figures))
  say('images are measured')
  return results.text()
}

/** The same calls through the Gateways and to processes. */
async function gateways(native: KindNative, folder: string): Promise<string> {
  const results = createResults(['through a Gateway', 'process driver'], [sections.rate, sections.latency])
  const stock = makeStock()
  const generator = startGenerator()
  const bench: Bench = { generator, stock, msMax, share: msMax / msPerRow }
  const here = await ours('process', root).launch(join(folder, 'process'))
  const there = await behindGateways(native)
  try {
    for (const running of [there, here]) {
      await fill(stock, running)
      await checkAnswers(stock, running)
    }
    for (let round = 0; round <= rounds; round += 1) {
      for (const row of [...lookups, ...reads, ...writes, ...actions])
        for (const [who, running] of [
          ['through a Gateway', there],
          ['process driver', here],
        ] as const) {
          const { figures } = await row.measure(bench, running)
          if (round > 0)
            results.note(
              who,
              figures.filter(({ section }) => section !== sections.cpu),
            )
        }
      say(round === 0 ? 'warm' : `round ${round} of ${rounds}`)
    }
  } finally {
    await generator.stop()
    await here.stop()
  }
  return results.text()
}

/** The servers of the cluster; their processes are not this user's to count. */
async function behindGateways(native: KindNative): Promise<Running> {
  const { cache, scheduler } = JSON.parse((await native.ok('ips', '--name', name, '--json')).stdout) as Addresses
  const withPort = (address: string) => (address.includes(':') ? address : `${address}:80`)
  return {
    cache: withPort(cache.address),
    execution: withPort(scheduler.address),
    pids: [],
    answerMs: 0,
    startedAt: 0,
    stop: async () => undefined,
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
