import { NativeCommand } from '../../src/cli/base.ts'
import { serveFlags } from '../../src/cli/serve.ts'

export default class ServeConsole extends NativeCommand {
  static override summary = 'run the console in the foreground: the history of builds'
  static override examples = ['<%= config.bin %> serve console --config console.yaml']
  static override enableJsonFlag = false
  static override flags = serveFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(ServeConsole)
    const { serve } = await import('../../src/serve/run.ts')
    await serve('console', { configFile: flags.config, parentFd: flags['parent-fd'], version: this.config.version })
  }
}
