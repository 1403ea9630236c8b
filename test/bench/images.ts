/**
 * Copies of an image by us, skopeo and crane, and its verification by us and cosign, side by side;
 * images/README.md says how and why.
 *   node test/bench/images.ts [--quick] [--write] [--rounds N] [--mib N] [--large-gib N] [--built DIR]
 */
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { launchDockerRegistry } from '../fixture/docker-registry.ts'
import { root } from '../fixture/program.ts'
import { have } from '../fixture/real.ts'
import { haveTrixie } from '../real/trust/cosign.ts'
import { type Copier, crane, native, skopeo } from './images/contenders.ts'
import { makeLayout, makeSparseLayout } from './images/layout.ts'
import { type Timed, timed } from './images/timed.ts'
import { verifications } from './images/verify.ts'
import { machineText } from './machine.ts'
import { writeSection } from './results-file.ts'
import { createResults, type Results } from './table.ts'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    mib: { type: 'string' },
    'large-gib': { type: 'string' },
    built: { type: 'string', default: root },
  },
})
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 5))
const totalMiB = Number(flags.mib ?? (flags.quick ? 64 : 1024))
const largeGiB = Number(flags['large-gib'] ?? (flags.quick ? 0 : 5))
const layers = 4
const sections = { time: 'Time', cpu: 'CPU of the program', memory: 'Memory at the most' } as const
const judged = { time: 'Time of a verification', cpu: 'CPU of a verification' } as const

await main()

async function main(): Promise<void> {
  if (!(await have('docker-registry', 'skopeo', 'sid:crane')) || !(await haveTrixie())) process.exit(1)
  const began = Date.now()
  const machine = machineText()
  const folder = await mkdtemp(join(tmpdir(), 'native-bench-images-'))
  try {
    const copiers = [native(flags.built), skopeo(), crane(folder)]
    const results = createResults(
      copiers.map((each) => each.name),
      Object.values(sections),
    )
    const layout = join(folder, 'layout')
    await makeLayout(layout, layers, (totalMiB / layers) * 2 ** 20)
    // The first round warms the page cache up and is thrown away.
    for (let round = 0; round <= rounds; round += 1) {
      const note = (copier: Copier, title: string, took: Timed) => round > 0 && noteAll(results, copier, title, took)
      await oneRound(copiers, folder, layout, note)
      process.stderr.write(round === 0 ? 'warm\n' : `round ${round} of ${rounds}\n`)
    }
    for (let round = 0; round < rounds * 2; round += 1)
      for (const words of [['image', 'tag', 'HEAD'], ['--help']]) await noteCommand(results, folder, words)
    if (largeGiB > 0) await large(results, folder)
    const verdicts = createResults(['native', 'cosign'], Object.values(judged))
    const verifiers = await verifications(folder, flags.built, rounds * 4, (name, title, { ms, cpuMs }) =>
      verdicts.note(name, [
        { section: judged.time, title, unit: 'ms', value: ms },
        { section: judged.cpu, title, unit: 'ms', value: cpuMs },
      ]),
    )
    const seconds = Math.round((Date.now() - began) / 1000)
    const command = `node test/bench/images.ts ${process.argv.slice(2).join(' ')}`.trim()
    const facts = [
      `${new Date(began).toISOString().slice(0, 10)}, ${rounds} rounds in ${seconds} s: \`${command}\``,
      machine,
      [
        ...copiers.map((each) => each.version),
        ...verifiers.slice(1),
        `${layers} layers of ${totalMiB / layers} MiB`,
      ].join('; '),
    ]
    const text = [facts.map((each) => `- ${each}`).join('\n'), results.text(), verdicts.text()].join('\n\n')
    process.stdout.write(`${text}\n`)
    if (flags.write) writeSection(join(root, 'test/bench/RESULTS.md'), 'Images', text)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

type Note = (copier: Copier, title: string, took: Timed) => void

/** Every copier pushes into a registry that is empty; from the last of these it pulls and mounts. */
async function oneRound(copiers: readonly Copier[], folder: string, layout: string, note: Note): Promise<void> {
  for (const copier of copiers.toSorted(() => Math.random() - 0.5)) {
    const own = join(folder, 'own')
    await mkdir(own)
    const registry = await launchDockerRegistry(own)
    try {
      const image = `${registry.host}/app:1`
      const steps: [string, string[]][] = [
        ['layout to registry', copier.push(layout, image)],
        ['registry to layout', copier.pull(image, join(folder, 'out'))],
        ['registry to registry (mounts)', copier.mount(image, `${registry.host}/other/app:1`)],
        ['again (all is there)', copier.mount(image, `${registry.host}/other/app:1`)],
      ]
      for (const [title, argv] of steps) {
        // What an earlier copy left to be written is not this one's.
        execFileSync('sync')
        note(copier, title, await timed(argv, folder))
      }
    } finally {
      registry.stop()
      for (const each of ['own', 'out', '.local', '.cache', 'containers'])
        await rm(join(folder, each), { recursive: true, force: true })
    }
  }
}

function noteAll(results: Results, copier: Copier, title: string, { ms, cpuMs, peakBytes }: Timed): void {
  results.note(copier.name, [
    { section: sections.time, title, unit: 'ms', value: ms },
    { section: sections.cpu, title, unit: 'ms', value: cpuMs },
    { section: sections.memory, title, unit: 'MB', value: peakBytes / 1e6 },
  ])
}

/** A command that asks no server, in this checkout: what it takes is mostly the start of the program. */
async function noteCommand(results: Results, folder: string, words: readonly string[]): Promise<void> {
  const program = [process.execPath, join(flags.built, 'bin/run.js')]
  const { ms } = await timed(['env', '-C', root, ...program, ...words], folder)
  results.note('native', [{ section: sections.time, title: `native ${words.join(' ')}`, unit: 'ms', value: ms }])
}

/** One layer of many gigabytes, by us alone: memory must not grow with it. */
async function large(results: Results, folder: string): Promise<void> {
  const copier = native(flags.built)
  const layout = join(folder, 'large')
  await makeSparseLayout(layout, largeGiB * 2 ** 30)
  const own = join(folder, 'own')
  await mkdir(own)
  const registry = await launchDockerRegistry(own)
  try {
    const image = `${registry.host}/large:1`
    noteAll(
      results,
      copier,
      `a layer of ${largeGiB} GiB to a registry`,
      await timed(copier.push(layout, image), folder),
    )
    noteAll(results, copier, `and back`, await timed(copier.pull(image, join(folder, 'out')), folder))
  } finally {
    registry.stop()
  }
}
