import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, Flags } from '@oclif/core'
import type { Driver, DriverKind, Step } from '../cluster/driver.ts'
import { Failure } from '../core/failure.ts'

const namePattern = /^[a-z][a-z0-9-]{0,30}$/

/** Flags of every command that works on a cluster. */
export const clusterFlags = {
  name: Flags.string({
    summary: 'which cluster; several can stand side by side',
    default: 'native',
    env: 'NATIVE_NAME',
  }),
  driver: Flags.option({
    summary:
      'where the servers run: as processes of this machine, or in a kind cluster; where the cluster is, by default',
    options: ['process', 'kind'] as const,
    env: 'NATIVE_DRIVER',
  })(),
}

/** What clusterFlags give. */
export interface ClusterFlags {
  readonly name: string
  readonly driver?: DriverKind | undefined
}

/** What every command has: --json, --debug, an interrupt, and ways to speak. */
export abstract class NativeCommand extends Command {
  static override baseFlags = {
    json: Flags.boolean({ summary: 'print JSON for programs, on standard output alone', helpGroup: 'GLOBAL' }),
    debug: Flags.boolean({ summary: 'show stacks of failures', helpGroup: 'GLOBAL' }),
  }

  /** A failure is shown in one place, main.ts; oclif would show it in its own way. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }

  /** The driver of the cluster that the flags name. */
  protected async openDriver({ name, driver }: ClusterFlags): Promise<Driver> {
    // Here and not in the flag's own parse, around which oclif would put words of its own.
    assertName(name)
    const { openDriver } = await import('../cluster/open.ts')
    const { chooseDriver } = await import('../cluster/choose.ts')
    const { releaseOf } = await import('./release.ts')
    const { imageJudge } = await import('./image/judge.ts')
    const surroundings = { env: process.env, home: homedir(), tmp: tmpdir(), uid: process.getuid?.() ?? -1 }
    return openDriver(driver ?? (await chooseDriver(name, surroundings)), {
      ...surroundings,
      name,
      program: [process.execPath, join(this.config.root, 'bin/run.js')],
      release: await releaseOf(this.config.root, this.config.version),
      verify: imageJudge(this.config, process.env['REGISTRY_AUTH_FILE'] || undefined),
    })
  }

  /** Runs steps, shown as the output allows: live on a terminal, else as lines; on stderr with --json. */
  protected async runSteps(steps: readonly Step[], flags: { json: boolean; retain?: boolean }): Promise<void> {
    const { runSteps } = await import('./tasks.ts')
    const live = !flags.json && process.stdout.isTTY === true
    const out = flags.json ? process.stderr : process.stdout
    await this.interruptible((signal) =>
      runSteps(steps, {
        presentation: live ? 'live' : 'lines',
        signal,
        retain: flags.retain ?? false,
        write: (line) => void out.write(`${line}\n`),
      }),
    )
  }

  /** Work that an interrupt aborts; a second interrupt ends the process at once. */
  protected async interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    const interrupt = () => {
      if (controller.signal.aborted) process.exit(130)
      controller.abort(new Failure('cancelled', 'interrupted'))
    }
    process.on('SIGINT', interrupt)
    process.on('SIGTERM', interrupt)
    try {
      return await work(controller.signal)
    } finally {
      process.off('SIGINT', interrupt)
      process.off('SIGTERM', interrupt)
    }
  }

  /** A line, or several, for people. */
  protected print(text: string): void {
    process.stdout.write(`${text}\n`)
  }

  /** The one value that --json prints. */
  protected printJson(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  }
}

/** A cluster's name, which is a folder's name too. */
function assertName(name: string): void {
  if (namePattern.test(name)) return
  throw new Failure('invalid', `"${name}" cannot name a cluster`, {
    where: '--name',
    next: ['Use lower-case letters, digits and dashes, a letter first, 31 characters at most.'],
  })
}
