import { join } from 'node:path'
import { Args, Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { clientToolNames, clientToolOf } from '../src/cli/client/tools.ts'
import { addressesAnswering, addressesGiven, addressFlagsOf } from '../src/cli/reach.ts'

export default class Client extends NativeCommand {
  static override summary = 'print the settings that let a tool use the cluster, or write them to a file'
  static override description =
    'Prints settings for a configuration file, or variables for a shell, each with a comment that says what it is for and how to undo it. A block in a file stands between two marker lines and is replaced when it is written again; the rest of the file is left alone. docs/clients.md has a section for each tool.'
  static override examples = [
    '<%= config.bin %> client ccache --write ~/.config/ccache/ccache.conf',
    '<%= config.bin %> client ccache --remove ~/.config/ccache/ccache.conf',
    'eval "$(<%= config.bin %> client go)"',
    '<%= config.bin %> client turbo --json',
  ]
  static override args = {
    tool: Args.string({ description: clientToolNames.join(', '), required: true, options: [...clientToolNames] }),
  }
  static override flags = {
    ...clusterFlags,
    ...addressFlagsOf('a scheduler, or, for tools that speak HTTP (docs/clients.md), of a cache'),
    write: Flags.file({ summary: 'write the block to this file, replacing an earlier one', exclusive: ['remove'] }),
    remove: Flags.file({ summary: 'remove the block from this file' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Client)
    const tool = clientToolOf(args.tool)
    const { removeBlock, writeBlock } = await import('../src/cli/client/keep.ts')
    if (flags.remove !== undefined) {
      const changed = await removeBlock(tool, flags.remove, flags.name)
      if (flags.json) this.printJson({ tool: tool.name, file: flags.remove, changed })
      else
        this.print(
          changed ? `Removed the block for ${tool.name} from ${flags.remove}.` : `${flags.remove} has no such block.`,
        )
      return
    }
    const { clientText } = await import('../src/cli/client/text.ts')
    const given = tool.asksScheduler ? await addressesAnswering(flags) : addressesGiven(flags)
    const addresses = given ?? (await (await this.openDriver(flags)).addresses())
    const program = [process.execPath, join(this.config.root, 'bin/run.js')]
    const { clientFacts } = await import('../src/cli/client/facts.ts')
    const facts = await clientFacts(flags.name, addresses, program)
    const { block, environment } = await clientText(tool, facts)
    const file = flags.write
    const changed = file !== undefined && (await writeBlock(tool, file, flags.name, block))
    if (flags.json) this.printJson({ tool: tool.name, file: file ?? null, changed, block, environment })
    else if (file === undefined) this.print(block.trimEnd())
    else
      this.printWrapped(
        `${file} ${changed ? 'now has' : 'has'} the block for ${tool.name}. To see it work: ${tool.witness}.`,
      )
  }
}
