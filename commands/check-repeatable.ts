import { Args, Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { exitCodes } from '../src/cli/exit.ts'
import { columnsFor } from '../src/cli/terminal.ts'

/** Not all actions produced the same outputs twice; docs/troubleshooting.md has the codes. */
const notRepeatable = 30

export default class CheckRepeatable extends NativeCommand {
  static override summary = 'run the actions of a build again and show what differs between the two runs'
  static override description =
    'Runs each action that succeeded once more, on another worker if one that can run it is free within 30 s, and compares its outputs with the result in the cache or, if the cache has none, with another run. Says how many ran on the same worker again, and why. Results in the cache are not changed, and builds take priority. For each file that differs, it names the first differing byte and, in ar, tar, zip, gzip and ELF files, the entry or section; differences in time, path or order are reported as such. Exits with 30 if an action produced something different, and with 4 if it had to stop before the last action.'
  static override examples = [
    '<%= config.bin %> check-repeatable',
    '<%= config.bin %> check-repeatable 3f2a19c0 --limit 50 --jobs 2',
  ]
  static override args = {
    build: Args.string({ description: 'the beginning of the ID of a build; the last build by default' }),
  }
  static override flags = {
    ...clusterFlags,
    limit: Flags.integer({ summary: 'maximum number of actions to run', min: 1, max: 100_000, default: 1_000 }),
    jobs: Flags.integer({ summary: 'number of actions to run at the same time', min: 1, max: 256, default: 4 }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(CheckRepeatable)
    const { repeatBuild } = await import('../src/cli/repeat/run.ts')
    const { repeatText } = await import('../src/cli/repeat/text.ts')
    const addresses = await (await this.openDriver(flags)).addresses()
    const report = await this.interruptible((signal) =>
      repeatBuild(addresses, {
        ...(args.build !== undefined && { build: args.build }),
        limit: flags.limit,
        jobs: flags.jobs,
        live: this.isLive(flags),
        signal,
      }),
    )
    if (flags.json) this.printJson(report)
    else this.print(repeatText(report, columnsFor(process.stdout)))
    if (report.different.length > 0) this.exit(notRepeatable)
    if (report.stopped) this.exit(exitCodes.unavailable)
  }
}
