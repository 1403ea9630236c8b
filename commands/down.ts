import { Flags } from '@oclif/core'
import { afterKept, clusterFlags, NativeCommand, nameFlag } from '../src/cli/base.ts'
import { Failure } from '../src/core/failure.ts'

export default class Down extends NativeCommand {
  static override summary = 'stop all servers and remove everything that belongs to the cluster'
  static override examples = ['<%= config.bin %> down', '<%= config.bin %> down --keep-data']
  static override flags = {
    ...clusterFlags,
    'keep-data': Flags.boolean({ summary: 'keep the contents of the cache for the next deploy' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Down)
    const { bin } = this.config
    const flag = nameFlag(flags)
    const driver = await this.openDriver(flags)
    await this.runSteps(driver.down(flags['keep-data'] ? { keepData: true } : {}), flags).catch((error: unknown) => {
      if (!(error instanceof Failure && error.kind === 'cancelled')) throw error
      throw new Failure('cancelled', 'interrupted', {
        next: [`Run \`${bin} down${flag}\` again: it removes the rest.`],
      })
    })
    if (flags.json) this.printJson(await driver.status())
    else if (flags['keep-data']) this.printWrapped(`Cluster "${flags.name}" is down. ${afterKept(bin, flag)}`)
    else this.printWrapped(`Cluster "${flags.name}" is gone.`)
  }
}
