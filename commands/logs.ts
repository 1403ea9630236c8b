import { Args, Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'

export default class Logs extends NativeCommand {
  static override summary = "print the last lines of the servers' logs"
  static override examples = [
    '<%= config.bin %> logs',
    '<%= config.bin %> logs worker-1 -f',
    '<%= config.bin %> logs cas scheduler --lines 100',
  ]
  static override strict = false
  static override args = {
    server: Args.string({ description: 'cas, scheduler, worker-1, supervisor…; all without one' }),
  }
  static override flags = {
    ...clusterFlags,
    follow: Flags.boolean({ char: 'f', summary: 'go on with what is added, until interrupted' }),
    lines: Flags.integer({
      char: 'n',
      summary: 'how many of the last lines of each server',
      default: 20,
      min: 0,
      max: 100_000,
    }),
  }

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Logs)
    const driver = await this.openDriver(flags)
    const servers = argv.map(String)
    await this.interruptible(async (signal) => {
      for await (const line of driver.logs({ servers, follow: flags.follow, lines: flags.lines, signal }))
        this.print(
          flags.json ? JSON.stringify(line) : servers.length === 1 ? line.text : `${line.server}: ${line.text}`,
        )
    })
  }
}
