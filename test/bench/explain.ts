/**
 * How long it takes to explain a build in which one changed header makes all actions miss: its last build, after so many
 * others, as the console's database has them.
 *   node test/bench/explain.ts [ACTIONS] [BUILDS]      10000 and 10 by default
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type History, openHistory } from '../../src/console/history.ts'
import { localHistory } from '../../src/console/local-history.ts'
import { type Digest, digestText } from '../../src/core/digest.ts'
import { type Explanation, explainBuild } from '../../src/explain/build.ts'
import { keepExplanations } from '../../src/explain/kept.ts'
import { causeText } from '../../src/explain/sentences.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'

const [actions = 10_000, builds = 10] = process.argv.slice(2).map(Number)
const perPackage = 20
const headersShared = 100
const batchActions = 500
const repeats = 5
const began = 1_800_000_000_000

type Blobs = Map<string, { readonly digest: Digest; readonly bytes: Uint8Array }>

const folder = await mkdtemp(join(tmpdir(), 'native-bench-'))
try {
  const path = join(folder, 'history.db')
  const bounds = { bytesMax: 64e9, ageMsMax: Number.MAX_SAFE_INTEGER }
  const history = openHistory({ path, bounds, clock: manualClock(began), log: quietLog })
  for (let build = 0; build < builds; build += 1) fill(history, build)
  await explainLast(history)
  history.close()
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function explainLast(history: History): Promise<void> {
  const local = localHistory(history, { isIdle: () => true, fetch: async () => new Map() })
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
  const kept = keepExplanations(local)
  await kept(build, {})
  const again = await ask(() => kept(build, {}))
  const middle = (of: 'wall' | 'cpu') => times.map((each) => each[of]).sort((a, b) => a - b)[repeats >> 1] ?? 0
  say(`${actions} misses that one header causes, in a history of ${builds} builds, median of ${repeats}:`)
  say(`  ${middle('wall').toFixed(0)} ms, ${middle('cpu').toFixed(0)} ms of CPU`)
  say(`  asked again while nothing was built: ${again.wall.toFixed(2)} ms`)
}

/** The last build reads another header; those before it have all in the cache but for the first. */
function fill(history: History, build: number): void {
  const header = build === builds - 1 ? 'new' : 'old'
  const outcome = build === 0 || build === builds - 1 ? ('local' as const) : ('hit' as const)
  for (let from = 0; from < actions; from += batchActions) {
    const blobs: Blobs = new Map()
    const made = Array.from({ length: Math.min(batchActions, actions - from) }, (_, at) =>
      compile(blobs, from + at, header),
    )
    const events = made.flatMap(({ action, at }) => {
      const client = {
        ...{ invocation: `build-${build}`, correlated: '', tool: 'bazel', toolVersion: '7.7.1' },
        ...{ target: targetOf(at), mnemonic: 'CppCompile', configuration: 'c'.repeat(64) },
      }
      const common = { at: began + build * 60_000 + at, client, instance: '', action }
      const answer = outcome === 'hit' ? ('hit' as const) : ('absent' as const)
      const lookup = { kind: 'lookup' as const, ...common, lookup: { answer } }
      if (outcome === 'hit') return [lookup]
      const times = { workerStart: common.at, workerEnd: common.at + 900 }
      const nothing = { merged: false, exitCode: 0, status: 0, message: '', skipCacheLookup: false, doNotCache: false }
      return [
        lookup,
        { kind: 'execution' as const, ...common, run: { ...nothing, outcome, worker: '', attempts: 0, times } },
      ]
    })
    const sequence = (build * actions + from) / batchActions + 1
    const written = history.use(({ ingest }) => ingest.add({ run: Buffer.from('run'), sequence, dropped: 0, events }))
    const byAction = new Map(made.map((each) => [digestText(each.action), each]))
    const learned = (written?.readable ?? []).flatMap(({ content, action }) => {
      const known = byAction.get(digestText(action))
      return known ? [{ content, ...known }] : []
    })
    history.use(({ learn }) => learn(learned, [...blobs.values()], began))
  }
}

/** A compilation as Bazel has it: its package, headers that all share, a toolchain. */
function compile(blobs: Blobs, at: number, header: string) {
  const put = (bytes: Uint8Array): re.Digest.$Properties => {
    const { digest } = blobOf(bytes)
    blobs.set(digestText(digest), { digest, bytes })
    return { hash: digest.hash, sizeBytes: digest.size }
  }
  const file = (name: string, content: string) => {
    const { digest } = blobOf(content)
    return { name, digest: { hash: digest.hash, sizeBytes: digest.size } }
  }
  const folderOf = (folders: Readonly<Record<string, re.Digest.$Properties>>, files: re.FileNode.$Properties[] = []) =>
    put(
      re.Directory.encode({
        files,
        directories: Object.entries(folders).map(([name, digest]) => ({ name, digest })),
      }).finish(),
    )
  const headers = Array.from({ length: headersShared }, (_, each) => file(`header${each}.h`, `${each}`))
  const source = folderOf({}, [file(`file${at}.cc`, `${at}`), file(`file${at}.h`, `${at} h`)])
  const inputRoot = folderOf({
    app: folderOf({ [packageOf(at)]: source }),
    base: folderOf({}, [...headers, file('version.h', header)]),
    external: folderOf({ toolchain: folderOf({}, headers) }),
  })
  const output = `bazel-out/k8-fastbuild/bin/app/${packageOf(at)}/_objs/file${at}/file${at}.o`
  const flags = Array.from({ length: 40 }, (_, each) => `-fsome-flag-of-the-toolchain=${each}`)
  const command = put(
    re.Command.encode({
      arguments: ['/usr/bin/gcc', ...flags, '-c', `app/${packageOf(at)}/file${at}.cc`, '-o', output],
      environmentVariables: [{ name: 'PATH', value: '/usr/local/bin:/usr/bin:/bin' }],
      outputPaths: [output],
    }).finish(),
  )
  const action = put(re.Action.encode({ commandDigest: command, inputRootDigest: inputRoot }).finish())
  const known = (wire: re.Digest.$Properties): Digest => ({
    fn: 'sha256',
    hash: wire.hash ?? '',
    size: wire.sizeBytes ?? 0,
  })
  return { at, action: known(action), command: known(command), inputRoot: known(inputRoot), outputs: [output] }
}

function packageOf(at: number): string {
  return `package${Math.floor(at / perPackage)}`
}

function targetOf(at: number): string {
  return `//app/${packageOf(at)}:lib`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
