import { Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'

export default class Down extends NativeCommand {
  static override summary = 'end all servers and remove everything that is left of the cluster'
  static override examples = ['<%= config.bin %> down', '<%= config.bin %> down --keep-data']
  static override flags = {
    ...clusterFlags,
    'keep-data': Flags.boolean({ summary: 'keep what the cache holds, for the next deploy' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Down)
    const driver = await this.openDriver(flags)
    await this.runSteps(driver.down({ keepData: flags['keep-data'] }), flags)
    if (flags.json) this.printJson(await driver.status())
    else this.print(`Cluster "${flags.name}" is gone.`)
  }
}
