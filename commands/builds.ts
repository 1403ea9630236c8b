import { Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { buildsText } from '../src/cli/builds.ts'
import { withHistory } from '../src/cli/console.ts'
import { columnsFor } from '../src/cli/terminal.ts'

export default class Builds extends NativeCommand {
  static override summary =
    'list recent builds: when each ran, with which client, and how many of its actions were cached'
  static override description =
    'Shows builds as the cache and the scheduler saw them. Calls with the same invocation ID belong to one build. Calls from a client that sends no ID count as one build until the client pauses for a minute.'
  static override examples = ['<%= config.bin %> builds', '<%= config.bin %> builds --limit 5 --json']
  static override flags = {
    ...clusterFlags,
    limit: Flags.integer({ summary: 'number of builds', min: 1, max: 1000, default: 20 }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Builds)
    const addresses = await (await this.openDriver(flags)).addresses()
    const builds = await withHistory(addresses, (history) => history.builds({ limit: flags.limit }))
    if (flags.json) this.printJson({ builds })
    else this.print(buildsText(builds, Date.now(), columnsFor(process.stdout)))
  }
}
