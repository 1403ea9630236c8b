import { join } from 'node:path'
import { Args } from '@oclif/core'
import { NativeCommand } from '../src/cli/base.ts'

export default class Example extends NativeCommand {
  static override summary = 'write a Bazel workspace to try the cluster with'
  static override description =
    'The workspace holds //local-remote-execution/examples:hello_lre and builds without internet. "native bazelrc --write native.bazelrc" in it brings the addresses of the cluster.'
  static override examples = ['<%= config.bin %> example hello']
  static override args = {
    folder: Args.directory({ description: 'a folder that is empty or does not exist yet', required: true }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Example)
    const { writeExample } = await import('../src/cli/example.ts')
    await writeExample(join(this.config.root, 'templates/example'), args.folder)
    if (flags.json) this.printJson({ folder: args.folder })
    else this.print(`The example is in ${args.folder}.`)
  }
}
