import { Args } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'
import { oneRegistryFlags, tlsWish } from '../../src/cli/image/registry-flags.ts'

export default class ImageLs extends NativeCommand {
  static override summary = 'print the tags of a repository in a registry, one per line'
  static override examples = [
    '<%= config.bin %> image ls ghcr.io/tracemachina/nativelink',
    '<%= config.bin %> image ls kind:/native',
  ]
  static override args = {
    repository: Args.string({ description: 'host/name, or kind:[CLUSTER]/name', required: true }),
  }
  static override flags = {
    ...oneRegistryFlags,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ImageLs)
    const { parseRegistryReference } = await import('../../src/image/reference.ts')
    const { imageContextOf } = await import('../../src/cli/image/places.ts')
    const { listTags } = await import('../../src/cli/image/ls.ts')
    const tls = tlsWish(flags, 'tls-verify')
    const found = await this.interruptible((signal) =>
      listTags(parseRegistryReference(args.repository), imageContextOf(flags, tls, signal)),
    )
    if (flags.json) this.printJson(found)
    else for (const tag of found.tags) this.print(tag)
  }
}
