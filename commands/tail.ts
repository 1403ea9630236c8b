import { Args } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { addressesAnswering, addressFlags } from '../src/cli/reach.ts'

const interrupted = 130

export default class Tail extends NativeCommand {
  static override summary = 'print what running actions write, line by line, while they run'
  static override description =
    'Build tools show the output of an action once it has ended, and many only if it failed; this shows it at once, from the first line that is still kept, each line after the name of its target. It ends when all builds it has followed are over, or when you press Ctrl-C (exit code 130). The end of a build is known from Bazel if it has --bes_backend (`native bazelrc` sets it); for other clients, a build counts as over after 10 seconds without an action. Control characters and colors of the output are left out.'
  static override examples = [
    '<%= config.bin %> tail',
    '<%= config.bin %> tail 3f2a19c0',
    '<%= config.bin %> tail --json | jq -r .text',
  ]
  static override args = {
    build: Args.string({
      description: 'the invocation ID of a build, or its beginning; by default, every build that has an action running',
    }),
  }
  static override flags = { ...clusterFlags, ...addressFlags }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Tail)
    const { tail } = await import('../src/cli/tail/run.ts')
    const { lineJson, lineText } = await import('../src/cli/tail/text.ts')
    const addresses = (await addressesAnswering(flags)) ?? (await (await this.openDriver(flags)).addresses())
    let stopped = false
    await this.interruptible(async (signal) => {
      await tail(addresses, {
        ...(args.build !== undefined && { build: args.build }),
        signal,
        show: (line) => this.print(flags.json ? lineJson(line, Date.now()) : lineText(line, process.stdout)),
        note: (text) => this.note(`native: ${text}`),
      })
      stopped = signal.aborted
    })
    if (stopped) this.exit(interrupted)
  }
}
