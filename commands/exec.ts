import { join } from 'node:path'
import { Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { addressesAnswering, addressFlags } from '../src/cli/reach.ts'
import { parseProperty, parseSpanFlag } from '../src/cli/values.ts'

const notPassedOn = 'standard input is not passed on to the command; use --stdin to do that'

export default class Exec extends NativeCommand {
  static override summary = 'run one command remotely, and return its outputs, its output streams and its exit code'
  static override description =
    `Runs the words after -- exactly as they are. There is no shell in between: for a pipe or a *, write -- sh -c 'ls | wc'. The command sees the contents of --input and no other files of yours, only the variables that --env sets (and PATH, with the usual folders), and no standard input unless --stdin is given. exec exits with the command's exit code, and says on standard error where it ran and whether its result was cached. If something fails before the command runs, exec exits like any other command.

With --stdin, all of standard input is read before the command starts; it is an input of the action like any other, so the result is cached for exactly these bytes. There is no terminal: the command cannot ask questions.`
  static override examples = [
    '<%= config.bin %> exec -- /bin/echo hello',
    '<%= config.bin %> exec --input src --output sorted.txt -- sort names.txt -o sorted.txt',
    '<%= config.bin %> exec --input tests --timeout 5m -- ./slow-test',
    'echo one two three | <%= config.bin %> exec --stdin -- wc -w',
  ]
  static override strict = false
  static override takesWords = true
  static override flags = {
    ...clusterFlags,
    ...addressFlags,
    input: Flags.directory({ summary: 'a folder whose contents the command sees' }),
    output: Flags.string({
      summary: 'a file or folder that the command creates, to download; may be repeated',
      multiple: true,
      multipleNonGreedy: true,
    }),
    'output-to': Flags.directory({ summary: 'the folder to write outputs to', default: '.' }),
    force: Flags.boolean({
      summary: 'replace files that are in the way of an output, even if exec did not write them',
    }),
    stdin: Flags.boolean({ char: 'i', summary: 'pass standard input on to the command' }),
    env: Flags.string({
      summary: 'a variable, as NAME=value; may be repeated',
      multiple: true,
      multipleNonGreedy: true,
    }),
    property: Flags.string({
      summary: 'a platform property that the worker must offer, as key=value; may be repeated',
      multiple: true,
      multipleNonGreedy: true,
    }),
    timeout: Flags.string({ summary: 'how long the command may run, such as 90s or 15m' }),
    'digest-function': Flags.option({
      summary: 'hash function for digests; by default the first one that both sides support',
      options: ['sha256', 'sha1', 'sha384', 'sha512', 'blake3'] as const,
    })(),
    fresh: Flags.boolean({ summary: 'run the command even if its result is cached' }),
    'explain-missing': Flags.boolean({
      summary:
        'if the command fails, run it again under strace (which the worker must have), and list what it looked for that is on this machine but not an input',
    }),
    'no-cache': Flags.boolean({ summary: 'neither look up the result in the cache nor store it there' }),
  }

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Exec)
    const { runOnCluster } = await import('../src/cli/exec.ts')
    const { isFed } = await import('../src/cli/stdin.ts')
    if (!flags.stdin && !flags.json && isFed(0)) this.note(`native: ${notPassedOn}`)
    const addresses = (await addressesAnswering(flags)) ?? (await (await this.openDriver(flags)).addresses())
    const exitCode = await this.interruptible((signal) =>
      runOnCluster(
        addresses,
        {
          argv: argv.map(String),
          version: this.config.version,
          variables: flags.env ?? [],
          outputPaths: flags.output ?? [],
          outputFolder: flags['output-to'],
          force: flags.force,
          cache: join(this.config.cacheDir, 'exec'),
          properties: (flags.property ?? []).map(parseProperty),
          doNotCache: flags['no-cache'],
          skipCacheLookup: flags.fresh,
          explainMissing: flags['explain-missing'],
          ...(flags.stdin && { stdin: process.stdin }),
          ...(flags.input !== undefined && { inputFolder: flags.input }),
          ...(flags['digest-function'] !== undefined && { fn: flags['digest-function'] }),
          ...(flags.timeout !== undefined && { timeoutMs: parseSpanFlag(flags.timeout, '--timeout') }),
          signal,
        },
        { json: flags.json, stdout: process.stdout, stderr: process.stderr, live: this.isLive(flags) },
      ),
    )
    if (exitCode !== 0) this.exit(exitCode)
  }
}
