import { Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'

export default class Up extends NativeCommand {
  static override summary = 'bring a local cluster up: folders, ports, and a supervisor that outlives the terminal'
  static override examples = ['<%= config.bin %> up', '<%= config.bin %> up --name second']
  static override flags = {
    ...clusterFlags,
    retain: Flags.boolean({ summary: 'keep what was made when it fails, to look at it' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Up)
    const driver = await this.openDriver(flags)
    await this.runSteps(driver.up({ retain: flags.retain }), flags)
    if (flags.json) this.printJson(await driver.status())
    else this.print(`Cluster "${flags.name}" is up. Next: ${this.config.bin} deploy`)
  }
}
