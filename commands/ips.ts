import { Flags } from '@oclif/core'
import { addressAssignments, addressLines } from '../src/cli/addresses.ts'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'

export default class Ips extends NativeCommand {
  static override summary = 'print the addresses of the cache and the scheduler, after checking that both answer'
  static override examples = [
    '<%= config.bin %> ips',
    'eval "$(<%= config.bin %> ips --shell)"; bazel build --remote_cache=grpc://$CACHE //...',
  ]
  static override flags = {
    ...clusterFlags,
    shell: Flags.boolean({ summary: 'print CACHE=… and SCHEDULER=…, for eval', exclusive: ['json'] }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Ips)
    const addresses = await (await this.openDriver(flags)).addresses()
    if (flags.json) this.printJson(addresses)
    else this.print(flags.shell ? addressAssignments(addresses) : addressLines(addresses))
  }
}
