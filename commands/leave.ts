import { clusterFlags, NativeCommand } from '../src/cli/base.ts'

export default class Leave extends NativeCommand {
  static override summary =
    "stop being a worker in another machine's cluster, and remove the worker's files from this machine"
  static override description =
    'Running actions get 30 seconds to finish; those that do not are handed back and run elsewhere. `native join` with the same arguments makes this machine a worker again, as long as the token is valid.'
  static override examples = ['<%= config.bin %> leave']
  static override flags = { ...clusterFlags }

  async run(): Promise<void> {
    const { flags } = await this.parse(Leave)
    const driver = await this.openDriver(flags)
    const { joined } = await driver.status()
    await this.runSteps(driver.leave(), flags)
    if (flags.json) this.printJson(await driver.status())
    else this.print(`This machine no longer works for ${joined?.scheduler ?? 'another cluster'}.`)
  }
}
