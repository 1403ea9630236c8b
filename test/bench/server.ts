import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { defaultProperties } from '../../src/cluster/shared/machine.ts'
import { errnoOf } from '../../src/core/failure.ts'
import { writeLayout } from '../fixture/image.ts'
import { imageOf, layerOf, shellEntries } from '../fixture/layers.ts'
import { casdArgs, freePort, justbuildArgs } from '../fixture/peers.ts'
import { root } from '../fixture/program.ts'
import { firstAnswer } from './first-answer.ts'

/** A server that takes part. */
export interface Contender {
  readonly name: string
  /** The program's name and version, for the table. */
  version(folder: string): Promise<string>
  /** Starts it with what it keeps in a folder, which may hold that of an earlier run. */
  launch(folder: string): Promise<Running>
}

export interface Running {
  /** `host:port` of the cache. */
  readonly cache: string
  readonly execution: string
  /** The processes that were started; their descendants belong to it too. */
  readonly pids: readonly number[]
  /** From the program's start to its first answer to GetCapabilities. */
  readonly answerMs: number
  /** When the program was started, of performance.now(). */
  readonly startedAt: number
  stop(): Promise<void>
}

/** Actions at once, as the peers are told too. */
const slots = 2
const cacheBytes = 8e9
const stopMsMax = 20_000
const chrootRun = join(root, 'test/real/chroot-run')

/** How our servers differ from those that `native deploy` starts. */
export interface Setup {
  /** Where V8's CPU profiles go, when they are wanted. */
  readonly profiles?: string | undefined
  /** Whether a console runs beside them and is told. */
  readonly console?: boolean
  /** As in a worker's configuration; auto unless it says otherwise. */
  readonly sandbox?: 'on' | 'off'
  /** Whether actions run in an image with this machine's shell and `true`. */
  readonly image?: boolean
}

/**
 * Our three servers, as `native deploy` starts them.
 * @param built a checkout that is compiled
 */
export function ours(name: string, built: string, setup: Setup = {}): Contender {
  const { profiles } = setup
  const program = join(built, 'bin/run.js')
  const node = profiles ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`] : []
  return {
    name,
    async version() {
      const { stdout } = await promisify(execFile)(process.execPath, [program, '--version'])
      return stdout.trim()
    },
    async launch(folder) {
      mkdirSync(folder, { recursive: true })
      const cache = `127.0.0.1:${await freePort()}`
      const execution = `127.0.0.1:${await freePort()}`
      const console = setup.console ? `127.0.0.1:${await freePort()}` : undefined
      const image = setup.image ? await writeShellImage(join(folder, 'image')) : undefined
      const configs = oursConfigs(folder, cache, execution, console, setup, image)
      const startedAt = performance.now()
      const children = Object.entries(configs).map(([role, config]) => {
        const file = join(folder, `${role}.yaml`)
        writeFileSync(file, stringify(config))
        return start(process.execPath, [...node, program, 'serve', role, '--config', file], join(folder, `${role}.log`))
      })
      try {
        await firstAnswer(cache)
        const answerMs = performance.now() - startedAt
        await firstAnswer(execution)
        return { cache, execution, pids: children.map(pidOf), answerMs, startedAt, stop: () => stopAll(children) }
      } catch (error) {
        await stopAll(children)
        throw error
      }
    },
  }
}

/** @returns the reference of an image in which the actions of all rows can run */
async function writeShellImage(folder: string): Promise<string> {
  await writeLayout(folder, imageOf([await layerOf(shellEntries(['true']))]))
  return `oci:${folder}`
}

function oursConfigs(
  folder: string,
  cache: string,
  execution: string,
  console: string | undefined,
  setup: Setup,
  image: string | undefined,
) {
  const cas = `grpc://${cache}`
  const telling = console === undefined ? {} : { console: `grpc://${console}` }
  const scheduler = `grpc://${execution}`
  return {
    cas: { listen: cache, store: { kind: 'disk', path: join(folder, 'cas'), size: cacheBytes }, ...telling },
    scheduler: { listen: execution, cas, ...telling },
    worker: {
      scheduler,
      cas,
      slots,
      properties: defaultProperties({ platform: process.platform, arch: process.arch, cpus: slots }),
      directory: join(folder, 'worker'),
      ...(setup.sandbox && { sandbox: setup.sandbox }),
      ...(image !== undefined && { images: { default: image } }),
    },
    ...(console !== undefined && { console: { listen: console, cas, path: join(folder, 'console') } }),
  }
}

export const buildboxCasd: Contender = {
  name: 'buildbox-casd',
  version: (folder) => peerVersion(folder, ['buildbox-casd', '--version']),
  launch: (folder) => launchPeer(folder, 'buildbox-casd', casdArgs),
}

export const justbuild: Contender = {
  name: 'justbuild',
  async version(folder) {
    const { version } = JSON.parse(await peerVersion(folder, ['justbuild', 'version'])) as { version: number[] }
    return `justbuild ${version.join('.')}`
  },
  launch: (folder) => launchPeer(folder, 'justbuild', justbuildArgs),
}

async function peerVersion(folder: string, argv: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(chrootRun, [folder, '--', ...argv])
  return stdout.trim()
}

async function launchPeer(
  folder: string,
  program: string,
  args: (folder: string, port: number) => string[],
): Promise<Running> {
  mkdirSync(folder, { recursive: true })
  const port = await freePort()
  const child = start(chrootRun, args(folder, port), join(folder, 'server.log'))
  const pid = pidOf(child)
  await untilRuns(pid, program)
  const startedAt = performance.now()
  const address = `127.0.0.1:${port}`
  await firstAnswer(address)
  const answerMs = performance.now() - startedAt
  return { cache: address, execution: address, pids: [pid], answerMs, startedAt, stop: () => stopAll([child]) }
}

/** Waits until chroot-run has become the program: what it takes until then is not the program's. */
async function untilRuns(pid: number, program: string): Promise<void> {
  for (const end = Date.now() + stopMsMax; Date.now() < end; await setTimeout(1)) {
    try {
      if (basename(readlinkSync(`/proc/${pid}/exe`)) === program) return
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw new Error(`${program} has ended at once; see its server.log`)
      throw error
    }
  }
  throw new Error(`${program} was not started`)
}

function start(file: string, args: readonly string[], logFile: string): ChildProcess {
  const log = openSync(logFile, 'a')
  return spawn(file, args, { stdio: ['ignore', log, log] })
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error(`cannot start ${child.spawnfile}`)
  return child.pid
}

/** In the reverse order of their start: each depends on those before it. */
async function stopAll(children: readonly ChildProcess[]): Promise<void> {
  for (const child of children.toReversed()) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const late = setTimeout(stopMsMax, 'late', { ref: false })
    if ((await Promise.race([exited, late])) !== 'late') continue
    child.kill('SIGKILL')
    await exited
  }
}
