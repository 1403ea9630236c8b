import { Args, Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'

/** Something was found; docs/troubleshooting.md has the codes. */
const foundExitCode = 31

export default class CheckHermetic extends NativeCommand {
  static override summary = 'run the actions of a build again and list what they used from the machine'
  static override description =
    `Traces each action with strace, which the workers must have in /usr/bin, and lists what it used besides its inputs: tools, headers, libraries and files on the machine, paths that it looked for but did not find, network addresses, and outputs that came out differently. Exits with ${foundExitCode} if anything was found or an action could not be checked.`
  static override examples = [
    '<%= config.bin %> check-hermetic',
    '<%= config.bin %> check-hermetic 3f2a19c0 --allow /usr --allow /lib --allow /etc',
  ]
  static override args = {
    build: Args.string({ description: 'the build (the beginning of its ID is enough); the last one by default' }),
  }
  static override flags = {
    ...clusterFlags,
    limit: Flags.integer({
      summary: 'maximum number of actions to run, in the order of the build',
      default: 200,
      min: 1,
    }),
    allow: Flags.string({
      summary: 'ignore what is below this path, because every worker has it; may be repeated',
      multiple: true,
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(CheckHermetic)
    const { checkHermetic } = await import('../src/cli/check-hermetic.ts')
    const { hermeticText } = await import('../src/cli/hermetic/text.ts')
    const { withHistory } = await import('../src/cli/console.ts')
    const { withServers } = await import('../src/cli/reached.ts')
    const addresses = await (await this.openDriver(flags)).addresses()
    const report = await this.interruptible((signal) =>
      withHistory(addresses, (history) =>
        withServers(addresses, (cache, scheduler) =>
          checkHermetic(history, cache, scheduler, {
            ...(args.build !== undefined && { build: args.build }),
            limit: flags.limit,
            allow: flags.allow ?? [],
            version: this.config.version,
            signal,
          }),
        ),
      ),
    )
    if (flags.json) this.printJson(report)
    else this.print(hermeticText(report))
    const isClean = report.findings.length === 0 && report.unchecked.length === 0 && !report.stopped
    if (!isClean) this.exit(foundExitCode)
  }
}
