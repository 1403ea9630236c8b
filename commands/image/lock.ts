import { Flags } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'
import { oneRegistryFlags, tlsWish } from '../../src/cli/image/registry-flags.ts'

export default class ImageLock extends NativeCommand {
  static override summary = 'pin the base images of definitions to the digests that their tags have now'
  static override examples = ['<%= config.bin %> image lock', '<%= config.bin %> image lock --definition my-image.yaml']
  static override flags = {
    image: Flags.string({ summary: 'one of the images defined here; by default all' }),
    definition: Flags.string({ summary: 'your own definition, a YAML file', exclusive: ['image'] }),
    ...oneRegistryFlags,
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ImageLock)
    const { lockText, refreshLocks } = await import('../../src/cli/image/lock.ts')
    const { imageContextOf } = await import('../../src/cli/image/places.ts')
    const results = await this.interruptible((signal) =>
      refreshLocks({
        image: flags.image,
        definitionFile: flags.definition,
        cwd: process.cwd(),
        root: this.config.root,
        env: process.env,
        around: imageContextOf(flags, tlsWish(flags, 'tls-verify'), signal),
      }),
    )
    if (flags.json) this.printJson(results)
    else this.print(lockText(results))
  }
}
