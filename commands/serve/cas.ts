import { NativeCommand } from '../../src/cli/base.ts'
import { serveFlags } from '../../src/cli/serve.ts'

export default class ServeCas extends NativeCommand {
  static override summary = 'run the cache in the foreground: content addressable storage, action cache, byte streams'
  static override examples = ['<%= config.bin %> serve cas --config cas.yaml']
  static override enableJsonFlag = false
  static override flags = serveFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(ServeCas)
    const { serve } = await import('../../src/serve/run.ts')
    await serve('cas', { configFile: flags.config, parentFd: flags['parent-fd'], version: this.config.version })
  }
}
