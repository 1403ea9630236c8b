import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { statusText } from '../src/cli/status.ts'

export default class Status extends NativeCommand {
  static override summary = 'show the servers of the cluster and whether they answer'
  static override examples = ['<%= config.bin %> status', '<%= config.bin %> status --json']
  static override flags = { ...clusterFlags }

  async run(): Promise<void> {
    const { flags } = await this.parse(Status)
    const status = await (await this.openDriver(flags)).status()
    if (flags.json) this.printJson(status)
    else this.print(statusText(status, Date.now(), process.stdout))
  }
}
