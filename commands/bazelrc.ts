import { join } from 'node:path'
import { Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { addressesAnswering, addressFlags } from '../src/cli/reach.ts'

export default class Bazelrc extends NativeCommand {
  static override summary = 'print the lines that let Bazel use the cluster with --config=lre, or write them to a file'
  static override description =
    'For a cluster that is not called native, the configuration is called lre-NAME. --write puts the lines between two marker lines and replaces them the next time; the rest of the file is left alone.'
  static override examples = [
    '<%= config.bin %> bazelrc',
    '<%= config.bin %> bazelrc --write ~/.bazelrc',
    '<%= config.bin %> bazelrc --remove ~/.bazelrc',
    '<%= config.bin %> bazelrc --address build.example.com:50052',
  ]
  static override flags = {
    ...clusterFlags,
    ...addressFlags,
    write: Flags.file({ summary: 'write the lines to this file, in place of older ones', exclusive: ['remove'] }),
    remove: Flags.file({ summary: 'remove the lines from this file' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Bazelrc)
    const { bazel, bazelConfigOf } = await import('../src/cli/client/bazel.ts')
    const { removeBlock, writeBlock } = await import('../src/cli/client/keep.ts')
    const config = bazelConfigOf(flags.name)
    if (flags.remove !== undefined) {
      const changed = await removeBlock(bazel, flags.remove, flags.name)
      if (flags.json) this.printJson({ file: flags.remove, config, changed })
      else
        this.print(
          changed
            ? `Removed --config=${config} from ${flags.remove}.`
            : `${flags.remove} has no lines for this cluster.`,
        )
      return
    }
    const { clientText } = await import('../src/cli/client/text.ts')
    const addresses = (await addressesAnswering(flags)) ?? (await (await this.openDriver(flags)).addresses())
    const { clientFacts } = await import('../src/cli/client/facts.ts')
    const program = [process.execPath, join(this.config.root, 'bin/run.js')]
    const facts = await clientFacts(flags.name, addresses, program)
    const { block } = await clientText(bazel, facts)
    const file = flags.write
    const changed = file !== undefined && (await writeBlock(bazel, file, flags.name, block))
    if (flags.json) this.printJson({ file: file ?? null, config, changed, block })
    else if (file === undefined) this.print(block.trimEnd())
    else this.printWrapped(`${file} ${changed ? 'now has' : 'has'} --config=${config}.`)
  }
}
