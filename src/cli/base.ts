import { join } from 'node:path'
import { Command, Flags, type Interfaces } from '@oclif/core'
import type { Driver, DriverKind, Step } from '../cluster/driver.ts'
import type { Operations } from '../cluster/options.ts'
import { Failure } from '../core/failure.ts'
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

/** What clusterFlags give. */
export interface ClusterFlags {
  readonly name: string
  readonly driver?: DriverKind | undefined
}

/** What names the cluster in a command that somebody is told to run; nothing for the usual one. */
export function nameFlag({ name }: Pick<ClusterFlags, 'name'>): string {
  return name === 'native' ? '' : ` --name ${name}`
}

/** What comes after `down --keep-data`, with `flag` of `nameFlag`. */
export function afterKept(bin: string, flag: string): string {
  return `Next: ${bin} deploy${flag} continues with the data that was kept, ${bin} down${flag} removes it.`
}

/** What every command has: --json, --debug, an interrupt, and ways to speak. */
export abstract class NativeCommand extends Command {
  static override baseFlags = {
    json: Flags.boolean({ summary: 'print JSON on standard output, for programs', helpGroup: 'GLOBAL' }),
    debug: Flags.boolean({ summary: 'show stack traces of errors', helpGroup: 'GLOBAL' }),
  }

  /**
   * Does it run another program, whose words stand behind `--`? Where not, those words are arguments of ours that are
   * no flags, whatever they look like.
   */
  static takesWords = false

  /**
   * Flags and arguments. `argv` has the arguments in the order in which they were given, oclif's own list has not; of a
   * command that takes words it is the words.
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

  /** A failure is shown in one place, main.ts; oclif would show it in its own way. */
  protected override async catch(error: Error): Promise<never> {
    throw error
  }

  /**
   * The driver of the cluster that the flags name.
   * @param operation what it is for, where not every driver does that
   */
  protected async openDriver({ name, driver }: ClusterFlags, operation?: keyof Operations): Promise<Driver> {
    // Here and not in the flag's own parse, around which oclif would put words of its own.
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

  /** Other commands that take a flag, as people write them. */
  #commandsWith(flag: string): string[] {
    return this.config.commands
      .filter((each) => !each.hidden && each.id !== this.id && Object.hasOwn(each.flags, flag))
      .map(({ id }) => `${this.config.bin} ${spokenName(id)}`)
  }

  /** Runs steps, shown on standard error: live on a terminal, else as lines. Standard output is for results. */
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
    } catch (error) {
      // However aborted work words it, the reason is the interrupt.
      throw controller.signal.aborted ? controller.signal.reason : error
    } finally {
      process.off('SIGINT', interrupt)
      process.off('SIGTERM', interrupt)
    }
  }

  /** What is told beside a result, on standard error, broken at blanks where a terminal is narrow. */
  protected note(text: string): void {
    process.stderr.write(`${wrapped(text, columnsFor(process.stderr))}\n`)
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

/**
 * oclif takes an argument that is not given from standard input, which belongs to whoever reads it next: a loop over the
 * lines of a file would lose them to the first command in it.
 */
function withoutStdin<
  F extends Interfaces.OutputFlags<Interfaces.FlagInput>,
  B extends Interfaces.OutputFlags<Interfaces.FlagInput>,
  A extends Interfaces.OutputArgs<Interfaces.ArgInput>,
>(options: Interfaces.Input<F, B, A>): Interfaces.Input<F, B, A> {
  const args = Object.entries(options.args ?? {}).map(([name, arg]) => [name, { ...arg, ignoreStdin: true }])
  // Of a command's class, a copy has what is its own, and not what it inherits.
  const { baseFlags } = options
  return { ...options, ...(baseFlags && { baseFlags }), args: Object.fromEntries(args) }
}

/** A cluster's name, which is a folder's name too. */
function assertName(name: string): void {
  if (namePattern.test(name)) return
  throw new Failure('invalid', `"${name}" cannot be the name of a cluster`, {
    where: '--name',
    next: ['Use at most 31 lower-case letters, digits and dashes, starting with a letter.'],
  })
}
