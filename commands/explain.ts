import { Args, Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { columnsFor } from '../src/cli/terminal.ts'

export default class Explain extends NativeCommand {
  static override summary = 'explain why actions of a build were not in the cache, worst first'
  static override description =
    'Compares each action that was not cached with an earlier run of it, and traces each difference back to its origin: a thousand misses caused by one changed header are reported as one cause.'
  static override examples = [
    '<%= config.bin %> explain',
    '<%= config.bin %> explain //app:lib',
    '<%= config.bin %> explain 3f2a19c0 --against 77aa1b02',
  ]
  static override args = {
    what: Args.string({
      description:
        'a build (the beginning of its id), a target, the digest of an action, or the path of an output; the last build by default',
    }),
  }
  static override flags = {
    ...clusterFlags,
    against: Flags.string({
      summary: 'compare with this build only; by default, with the last build that had the action',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Explain)
    const { explainFrom, explanationText, explainedJson } = await import('../src/cli/explain.ts')
    const { withHistory } = await import('../src/cli/console.ts')
    const addresses = await (await this.openDriver(flags)).addresses()
    const explained = await this.interruptible((signal) =>
      withHistory(addresses, (history, channel) =>
        explainFrom(history, channel, {
          folder: process.cwd(),
          ...(args.what !== undefined && { what: args.what }),
          ...(flags.against !== undefined && { against: flags.against }),
          signal,
        }),
      ),
    )
    if (flags.json) this.printJson(explainedJson(explained))
    else this.print(explanationText(explained, columnsFor(process.stdout), Date.now()))
  }
}
