import { NativeCommand } from '../../src/cli/base.ts'
import { serveFlags } from '../../src/cli/serve.ts'

export default class ServeScheduler extends NativeCommand {
  static override summary = 'run the scheduler in the foreground: execution, operations, and the stream to the workers'
  static override examples = ['<%= config.bin %> serve scheduler --config scheduler.yaml']
  static override enableJsonFlag = false
  static override flags = serveFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(ServeScheduler)
    const { serve } = await import('../../src/serve/run.ts')
    await serve('scheduler', { configFile: flags.config, parentFd: flags['parent-fd'], version: this.config.version })
  }
}
