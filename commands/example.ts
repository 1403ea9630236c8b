import { join } from 'node:path'
import { Args } from '@oclif/core'
import { NativeCommand } from '../src/cli/base.ts'
import { shellWord } from '../src/core/shell-word.ts'

/** A cluster with a name of its own also has its own --config, which `bazelrc` prints. */
function next(bin: string, folder: string): string {
  const file = shellWord(join(folder, 'native.bazelrc'))
  return `Next: ${bin} bazelrc --write ${file} sets up the workspace and names the --config to build with (lre; lre-NAME for a cluster called NAME).`
}

export default class Example extends NativeCommand {
  static override summary = 'create a Bazel workspace for trying out the cluster'
  static override description =
    'The workspace contains //local-remote-execution/examples:hello_lre and builds without internet access. Run "native bazelrc --write native.bazelrc" in it to add the addresses of the cluster.'
  static override examples = ['<%= config.bin %> example hello']
  static override args = {
    folder: Args.directory({ description: 'a folder that is empty or does not exist yet', required: true }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Example)
    const { writeExample } = await import('../src/cli/example.ts')
    await writeExample(join(this.config.root, 'templates/example'), args.folder)
    if (flags.json) this.printJson({ folder: args.folder })
    else {
      this.printWrapped(`The example is in ${args.folder}.`)
      this.note(next(this.config.bin, args.folder))
    }
  }
}
