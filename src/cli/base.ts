import { join } from 'node:path'
import { Command, Flags, type Interfaces } from '@oclif/core'
import type { Driver, Step } from '../cluster/driver.ts'
import type { Operations } from '../cluster/options.ts'
import type { DriverKind } from '../cluster/status.ts'
import { Failure } from '../core/failure.ts'
import { onEndSignal } from '../host/end-signals.ts'
import { checkedArguments } from './arguments.ts'
import { joinCommandLine, splitCommandLine } from './command-line.ts'
import { spokenName } from './surface.ts'
import { columnsFor, giveSize, isLive } from './terminal.ts'
import { userContext } from './user.ts'
import { wrapped } from './wrap.ts'

const namePattern = /^[a-z][a-z0-9-]{0,30}$/

/** Flags of every command that works on a cluster. */
export const clusterFlags = {
  name: Flags.string({
    summary: 'name of the cluster; several can run side by side',
    default: 'native',
    env: 'NATIVE_NAME',
  }),
  driver: Flags.option({
    summary:
      'where the servers run: as processes on this machine, or in a kind cluster; by default, where the cluster is',
    options: ['process', 'kind'] as const,
    env: 'NATIVE_DRIVER',
  })(),
}

/** The values of clusterFlags. */
export interface ClusterFlags {
  readonly name: string
  readonly driver?: DriverKind | undefined
}

/** The flag that names the cluster in a command that the user is told to run; empty for the default cluster. */
export function nameFlag({ name }: Pick<ClusterFlags, 'name'>): string {
  return name === 'native' ? '' : ` --name ${name}`
}

/** What to do after `down --keep-data`; `flag` is from `nameFlag`. */
export function afterKept(bin: string, flag: string): string {
  return `Next: ${bin} deploy${flag} continues with the data that was kept, ${bin} down${flag} removes it.`
}

/** Common to all commands: --json, --debug, interrupts, and output. */
export abstract class NativeCommand extends Command {
  static override baseFlags = {
    json: Flags.boolean({ summary: 'print JSON on standard output, for programs', helpGroup: 'GLOBAL' }),
    debug: Flags.boolean({ summary: 'show stack traces of errors', helpGroup: 'GLOBAL' }),
  }

  /**
   * Does it run another program, whose command line follows `--`? Otherwise, what follows `--` are positional
   * arguments, even if they look like flags.
   */
  static takesWords = false

  /**
   * Flags and arguments. `argv` has the arguments in the order in which they were given, unlike oclif's own list; for a
   * command that takes words it contains those.
   * @throws Failure 'invalid'
   */
  protected override async parse<
    F extends Interfaces.OutputFlags<Interfaces.FlagInput>,
    B extends Interfaces.OutputFlags<Interfaces.FlagInput>,
    A extends Interfaces.OutputArgs<Interfaces.ArgInput>,
  >(options?: Interfaces.Input<F, B, A>, argv = this.argv): Promise<Interfaces.ParserOutput<F, B, A>> {
    const { own, words } = splitCommandLine(argv)
    const { takesWords, strict, flags, baseFlags, args, id } = this.ctor as typeof NativeCommand
    const checked = checkedArguments(
      own,
      words,
      {
        spoken: `${this.config.bin} ${spokenName(id)}`,
        flags: { ...baseFlags, ...flags },
        args,
        open: !strict,
        takesWords,
        others: (flag) => this.#commandsWith(flag),
      },
      process.env,
    )
    const parsed = await super.parse(
      options && withoutStdin(options),
      joinCommandLine({ own: checked, words: takesWords ? undefined : words }),
    )
    const given = parsed.raw.flatMap((token) => (token.type === 'arg' ? [token.input] : []))
    if (takesWords && words !== undefined && given.length > 0)
      throw new Failure('invalid', `"${given[0]}" is before the --, but the command comes after it`, {
        next: ['Write the whole command after the --, and only flags before it.'],
      })
    return { ...parsed, argv: takesWords && words !== undefined ? [...words] : given }
  }

  /** Failures are shown in one place, main.ts; oclif would show them in its own way. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }

  /**
   * The driver of the cluster that the flags name.
   * @param operation what it is for, if not every driver supports that
   */
  protected async openDriver({ name, driver }: ClusterFlags, operation?: keyof Operations): Promise<Driver> {
    // Here and not in the flag's parse, whose errors oclif would wrap in its own words.
    assertName(name)
    const { openDriver } = await import('../cluster/open.ts')
    const { chooseDriver } = await import('../cluster/choose.ts')
    const { releaseOf } = await import('./release.ts')
    const { imageJudge } = await import('./image/judge.ts')
    const user = userContext()
    return openDriver(driver ?? (await chooseDriver(name, user, operation)), {
      ...user,
      name,
      program: [process.execPath, join(this.config.root, 'bin/run.js')],
      release: await releaseOf(this.config.root, this.config.version),
      verify: imageJudge(this.config, process.env['REGISTRY_AUTH_FILE'] || undefined),
    })
  }

  /** Are steps redrawn while they run? */
  protected isLive(flags: { json: boolean }): boolean {
    return !flags.json && isLive(process.stderr, process.env)
  }

  /** Other commands with this flag, as people write them. */
  #commandsWith(flag: string): string[] {
    return this.config.commands
      .filter((each) => !each.hidden && each.id !== this.id && Object.hasOwn(each.flags, flag))
      .map(({ id }) => `${this.config.bin} ${spokenName(id)}`)
  }

  /** Runs steps, shown on standard error: live on a terminal, otherwise line by line. Standard output is for results. */
  protected async runSteps(steps: readonly Step[], flags: { json: boolean; retain?: boolean }): Promise<void> {
    const { runSteps } = await import('./tasks.ts')
    giveSize(process.stderr)
    await this.interruptible((signal) =>
      runSteps(steps, {
        presentation: this.isLive(flags) ? 'live' : 'lines',
        signal,
        retain: flags.retain ?? false,
        stream: process.stderr,
      }),
    )
  }

  /** Runs work that an interrupt aborts; a second interrupt ends the process at once. */
  protected async interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    const interrupt = () => {
      if (controller.signal.aborted) process.exit(130)
      controller.abort(new Failure('cancelled', 'interrupted'))
    }
    const release = onEndSignal(interrupt)
    try {
      return await work(controller.signal)
    } catch (error) {
      // However the aborted work reports it, the reason is the interrupt.
      throw controller.signal.aborted ? controller.signal.reason : error
    } finally {
      release()
    }
  }

  /** Prints remarks beside the result, on standard error, wrapped to the terminal's width. */
  protected note(text: string): void {
    process.stderr.write(`${wrapped(text, columnsFor(process.stderr))}\n`)
  }

  /** Prints one or more lines for people. */
  protected print(text: string): void {
    process.stdout.write(`${text}\n`)
  }

  /** Prints sentences for people, wrapped to the terminal's width. */
  protected printWrapped(text: string): void {
    this.print(wrapped(text, columnsFor(process.stdout)))
  }

  /** Prints the one value of --json. */
  protected printJson(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  }
}

/**
 * oclif reads a missing argument from standard input, which is not ours to consume: a loop over the lines of a file
 * would lose them to the first command in it.
 */
function withoutStdin<
  F extends Interfaces.OutputFlags<Interfaces.FlagInput>,
  B extends Interfaces.OutputFlags<Interfaces.FlagInput>,
  A extends Interfaces.OutputArgs<Interfaces.ArgInput>,
>(options: Interfaces.Input<F, B, A>): Interfaces.Input<F, B, A> {
  const args = Object.entries(options.args ?? {}).map(([name, arg]) => [name, { ...arg, ignoreStdin: true }])
  // Copying a class copies its own members, not what it inherits.
  const { baseFlags } = options
  return { ...options, ...(baseFlags && { baseFlags }), args: Object.fromEntries(args) }
}

/** A cluster's name, which is also used as a folder name. */
function assertName(name: string): void {
  if (namePattern.test(name)) return
  throw new Failure('invalid', `"${name}" cannot be the name of a cluster`, {
    where: '--name',
    next: ['Use at most 31 lower-case letters, digits and dashes, starting with a letter.'],
  })
}
