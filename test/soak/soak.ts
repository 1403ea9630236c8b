/**
 * Honest and hostile load on one cluster; README.md here says how and why.
 *   node test/soak/soak.ts [--minutes N] [--write]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openChannel } from '../../src/wire/channel.ts'
import { machineText } from '../bench/machine.ts'
import { writeSection } from '../bench/results-file.ts'
import { createNative, type Native, root } from '../fixture/program.ts'
import { type Honest, honestLoad } from './honest.ts'
import { leftoverSeconds } from './hostile-actions.ts'
import { entriesBelow, median, type Sample, sampleOf, sleepers } from './watch.ts'

interface Server {
  readonly name: string
  readonly pid: number
  readonly restarts: number
}

const { values: flags } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, write: { type: 'boolean', default: false } },
})
const minutes = Number(flags.minutes)
const sampleMs = 5_000
/** After the load: what a client that broke off may still hold (a minute, for it may come back), and a little. */
const quietMs = 75_000
const growthMax = 1.25
const growthMbMin = 64
const descriptorsSlack = 8
/** What a server may hold once its load is over; a scheduler keeps up to 64 MiB of ended operations for clients that come back. */
const idleMbMax = 150
const keptMb: Readonly<Record<string, number>> = { scheduler: 64 }

const native = await createNative()
process.exitCode = await soak(native).finally(() => native.dispose())

async function soak({ ok, home }: Native): Promise<number> {
  await ok('up')
  await ok('deploy', '--workers', '2', '--cache-size', '1GB')
  const servers = await serversOf(native)
  const addresses = JSON.parse((await ok('ips', '--json')).stdout)
  const [cache, scheduler]: string[] = [addresses.cache.address, addresses.scheduler.address]
  const folder = join(home, 'inputs')
  mkdirSync(folder)
  writeFileSync(join(folder, 'words'), 'honest words\n')

  const before = new Map(servers.map(({ name, pid }) => [name, sampleOf(pid)]))
  const samples = new Map<string, Sample[]>(servers.map(({ name }) => [name, []]))
  const sampling = setInterval(() => {
    for (const { name, pid } of servers) {
      const sample = sampleOf(pid)
      if (sample) samples.get(name)?.push(sample)
    }
  }, sampleMs)
  const hostile = spawn(process.execPath, [join(root, 'test/soak/hostile.ts'), `${cache}`, `${scheduler}`, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let counts = ''
  hostile.stdout.on('data', (piece: Buffer) => {
    counts += piece.toString()
  })
  const channels = [openChannel(`grpc://${cache}`), openChannel(`grpc://${scheduler}`)] as const
  const honest = await honestLoad(...channels, folder, AbortSignal.timeout(minutes * 60_000))
  hostile.stdin.end()
  await once(hostile, 'close')
  clearInterval(sampling)
  for (const channel of channels) channel.close()
  await new Promise((resolve) => setTimeout(resolve, quietMs))

  const faults = [...honest.failures].map(([text, count]) => `honest: ${text} (${count} times)`)
  const rows: string[] = []
  const after = new Map((await serversOf(native)).map((each) => [each.name, each]))
  for (const { name, pid } of servers) {
    const all = samples.get(name) ?? []
    const third = Math.floor(all.length / 3)
    const [middle, last] = [all.slice(third, 2 * third), all.slice(2 * third)].map((part) =>
      median(part.map((each) => each.residentMb)),
    )
    const end = sampleOf(pid)
    const begin = before.get(name)
    if (!end || after.get(name)?.pid !== pid || after.get(name)?.restarts !== 0) faults.push(`${name} was restarted`)
    if ((last ?? 0) > growthMax * (middle ?? 0) && (last ?? 0) > (middle ?? 0) + growthMbMin)
      faults.push(`${name}: memory grew from ${middle} to ${last} MiB`)
    if ((end?.residentMb ?? 0) > idleMbMax + (keptMb[name] ?? 0))
      faults.push(`${name}: ${end?.residentMb} MiB a minute after the load`)
    // Slots, connections and segments come with the first work: what counts is that they do not go on coming.
    const usual = median(all.slice(third, 2 * third).map((each) => each.descriptors))
    if (end && end.descriptors > usual + descriptorsSlack)
      faults.push(`${name}: ${usual} descriptors in the second third, ${end.descriptors} after`)
    const peak = Math.max(0, ...all.map((each) => each.residentMb))
    const idle = `${end?.residentMb ?? '-'}`
    rows.push(
      `| ${name} | ${begin?.residentMb} | ${middle} | ${last} | ${peak} | ${idle} | ${begin?.descriptors} | ${end?.descriptors} |`,
    )
  }
  const left = sleepers(leftoverSeconds)
  if (left.length > 0) faults.push(`processes of actions are left: ${left.join(' ')}`)
  // A hostile action makes pipes beside its own folder, where no worker looks for anything. Sandboxes stay with their slots.
  const files = entriesBelow(join(home, 'data'), ['work', 'incoming']).filter(
    (path) => !/(\.(out|err)|\/work\/cells)$/.test(path),
  )
  if (files.length > 0) faults.push(`files are left: ${files.slice(0, 10).join(' ')}`)

  const text = report(honest, counts, rows, faults)
  process.stdout.write(`${text}\n`)
  if (flags.write) writeSection(join(root, 'test/bench/RESULTS.md'), 'Soak', text)
  return faults.length === 0 ? 0 : 1
}

async function serversOf({ ok }: Native): Promise<Server[]> {
  const status = JSON.parse((await ok('status', '--json')).stdout)
  return status.servers.map((each: { name: string; id: string; restarts: number }) => ({
    name: each.name,
    pid: Number(each.id),
    restarts: each.restarts,
  }))
}

function report(honest: Honest, counts: string, rows: readonly string[], faults: readonly string[]): string {
  const sorted = honest.actionMs.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.floor(sorted.length * share)] ?? 0)
  const attacks: [string, number][] = Object.entries(JSON.parse(counts || '{}'))
  return [
    `- ${new Date().toISOString().slice(0, 10)}, ${minutes} minutes: \`node test/soak/soak.ts --minutes ${minutes}\``,
    `- ${machineText()}`,
    `- Honest: ${honest.actions} actions run, ${honest.hits} answered from the cache, ${honest.written} blobs written, ${honest.read} read; ${[...honest.failures.values()].reduce((sum, count) => sum + count, 0)} failures. An action took ${at(0.5)} ms (median), ${at(0.95)} (p95), ${at(1 - 1e-9)} at most.`,
    `- Hostile: ${attacks.map(([name, count]) => `${name} ${count}`).join(', ')}`,
    '',
    '| server | MiB at rest | second third | last third | highest | a minute after | descriptors before | after |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
    faults.length === 0
      ? 'No honest call failed; no server was restarted; no descriptor, file or process was left.'
      : ['What went wrong:', '', ...faults.slice(0, 50).map((fault) => `- ${fault}`)].join('\n'),
  ].join('\n')
}
