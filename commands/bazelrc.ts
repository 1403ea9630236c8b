import { Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'

export default class Bazelrc extends NativeCommand {
  static override summary = 'print the lines that let Bazel use the cluster with --config=lre, or keep them in a file'
  static override description =
    'For a cluster of another name the configuration is called lre-NAME. A written block stands between two marks and is replaced when it is written again; the rest of the file stays as it is.'
  static override examples = [
    '<%= config.bin %> bazelrc',
    '<%= config.bin %> bazelrc --write ~/.bazelrc',
    '<%= config.bin %> bazelrc --remove ~/.bazelrc',
  ]
  static override flags = {
    ...clusterFlags,
    write: Flags.file({ summary: 'put the block into this file, in place of an older one', exclusive: ['remove'] }),
    remove: Flags.file({ summary: 'take the block out of this file' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Bazelrc)
    const { bazelConfigOf, bazelrcBlock } = await import('../src/cli/bazelrc.ts')
    const { removeBlock, writeBlock } = await import('../src/cli/bazelrc-file.ts')
    const config = bazelConfigOf(flags.name)
    if (flags.remove !== undefined) {
      const changed = await removeBlock(flags.remove, flags.name)
      if (flags.json) this.printJson({ file: flags.remove, config, changed })
      else
        this.print(changed ? `Removed --config=${config} from ${flags.remove}.` : `${flags.remove} has no such block.`)
      return
    }
    const { bazelProfile } = await import('../src/cli/bazel-profile.ts')
    const addresses = await (await this.openDriver(flags)).addresses()
    const profile = await bazelProfile(addresses.scheduler.url)
    const block = bazelrcBlock({ cluster: flags.name, addresses, ...profile })
    const file = flags.write
    const changed = file !== undefined && (await writeBlock(file, flags.name, block))
    if (flags.json) this.printJson({ file: file ?? null, config, changed, block })
    else if (file === undefined) this.print(block.trimEnd())
    else this.print(`${file} ${changed ? 'now has' : 'has'} --config=${config}.`)
  }
}
