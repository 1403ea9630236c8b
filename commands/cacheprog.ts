import { join } from 'node:path'
import { Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { addressesGiven, addressFlags } from '../src/cli/reach.ts'

export default class CacheProg extends NativeCommand {
  static override summary =
    'serve as the cache program of the go command: results come from the cluster and are stored there'
  static override description =
    'The go command starts it (GOCACHEPROG, Go 1.24 and later) and talks to it through pipes. Outputs are also kept in a folder on this machine, up to --size. If the cluster does not answer, every lookup is a miss, and a warning is printed.'
  static override examples = [
    'eval "$(<%= config.bin %> client go)"',
    'GOCACHEPROG="<%= config.bin %> cacheprog --stats" go build ./...',
  ]
  static override flags = {
    ...clusterFlags,
    ...addressFlags,
    size: Flags.string({ summary: 'maximum size of the folder on this machine', default: '5GB' }),
    stats: Flags.boolean({ summary: 'print a summary of hits and misses at the end', env: 'NATIVE_CACHEPROG_STATS' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(CacheProg)
    const { runCacheProg } = await import('../src/cli/cacheprog/run.ts')
    const { parseSize } = await import('../src/core/units.ts')
    await runCacheProg({
      root: join(this.config.cacheDir, 'go'),
      bytesMax: parseSize(flags.size),
      cache: async () => (addressesGiven(flags) ?? (await (await this.openDriver(flags)).addresses())).cache,
      stats: flags.stats,
    })
  }
}
