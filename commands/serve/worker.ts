import { Flags } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'
import { serveFlags } from '../../src/cli/serve.ts'

export default class ServeWorker extends NativeCommand {
  static override summary = 'run a worker in the foreground: it takes actions from a scheduler and runs them'
  static override examples = ['<%= config.bin %> serve worker --config worker.yaml']
  static override enableJsonFlag = false
  static override flags = {
    ...serveFlags,
    'worker-name': Flags.string({
      summary:
        "the worker's name, in place of the one in the configuration; workers that share a file need different names",
      env: 'NATIVE_WORKER_NAME',
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ServeWorker)
    const { serve } = await import('../../src/serve/run.ts')
    const workerName = flags['worker-name']
    await serve('worker', {
      configFile: flags.config,
      parentFd: flags['parent-fd'],
      version: this.config.version,
      ...(workerName !== undefined && { workerName }),
    })
  }
}
