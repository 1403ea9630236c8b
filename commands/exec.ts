import { Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { parseProperty, parseSpanFlag } from '../src/cli/values.ts'

export default class Exec extends NativeCommand {
  static override summary = 'run one command remotely and bring back its outputs, its streams and its exit code'
  static override description =
    "The command sees the contents of --input and nothing else of yours: no environment but what --env gives (PATH is set to the usual folders). Its exit code is this one's; where it ran, and whether its result was cached, is told on standard error. What goes wrong before it runs has the exit codes of every other command."
  static override examples = [
    '<%= config.bin %> exec -- /bin/echo hello',
    '<%= config.bin %> exec --input src --output hello.o -- gcc -c hello.c -o hello.o',
    '<%= config.bin %> exec --property OSFamily=linux --timeout 5m -- ./slow-test',
  ]
  static override strict = false
  static override flags = {
    ...clusterFlags,
    input: Flags.directory({ summary: 'a folder whose contents the command is to see' }),
    output: Flags.string({
      summary: 'a file or folder that the command makes, to bring back; may be given several times',
      multiple: true,
      multipleNonGreedy: true,
    }),
    'output-to': Flags.directory({ summary: 'the folder that outputs are written to', default: '.' }),
    env: Flags.string({
      summary: 'a variable, as NAME=value; may be given several times',
      multiple: true,
      multipleNonGreedy: true,
    }),
    property: Flags.string({
      summary: 'what the worker must offer, as key=value; may be given several times',
      multiple: true,
      multipleNonGreedy: true,
    }),
    timeout: Flags.string({ summary: 'how long it may run, like 90s or 15m' }),
    'digest-function': Flags.option({
      summary: 'how blobs are named; the first that server and client share when not given',
      options: ['sha256', 'sha1', 'sha384', 'sha512', 'blake3'] as const,
    })(),
    fresh: Flags.boolean({ summary: 'run it even where its result is cached' }),
    'no-cache': Flags.boolean({ summary: 'neither look in the cache nor keep the result there' }),
  }

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Exec)
    const { runOnCluster } = await import('../src/cli/exec.ts')
    const addresses = await (await this.openDriver(flags)).addresses()
    const exitCode = await this.interruptible((signal) =>
      runOnCluster(
        addresses,
        {
          argv: argv.map(String),
          variables: flags.env ?? [],
          outputPaths: flags.output ?? [],
          outputFolder: flags['output-to'],
          properties: (flags.property ?? []).map(parseProperty),
          doNotCache: flags['no-cache'],
          skipCacheLookup: flags.fresh,
          ...(flags.input !== undefined && { inputFolder: flags.input }),
          ...(flags['digest-function'] !== undefined && { fn: flags['digest-function'] }),
          ...(flags.timeout !== undefined && { timeoutMs: parseSpanFlag(flags.timeout, '--timeout') }),
          signal,
        },
        { json: flags.json, stdout: process.stdout, stderr: process.stderr },
      ),
    )
    if (exitCode !== 0) this.exit(exitCode)
  }
}
