import { Args, Flags } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'
import { expandFlag } from '../../src/cli/image/expand-flag.ts'
import { oneRegistryFlags, tlsWish } from '../../src/cli/image/registry-flags.ts'
import { columnsFor } from '../../src/cli/terminal.ts'

export default class ImageInspect extends NativeCommand {
  static override summary = 'print the digest, platforms and layers of an image, and how it runs'
  static override description =
    'Reads the manifest and the config of an image, but not its layers, anywhere that image copy can read from. --raw and --config print the stored bytes unchanged, so that their digest can be computed.'
  static override examples = [
    '<%= config.bin %> image inspect docker://ghcr.io/tracemachina/nativelink:v1.0.0',
    '<%= config.bin %> image inspect --config --platform linux/arm64 docker://alpine:3',
    '<%= config.bin %> image inspect --raw oci:native | sha256sum',
  ]
  static override args = {
    image: Args.string({
      description: 'an image, named as for image copy; a plain name is one in a registry',
      required: true,
    }),
  }
  static override flags = {
    raw: Flags.boolean({ summary: 'print the manifest or index unchanged', exclusive: ['config'] }),
    config: Flags.boolean({ summary: "print the image's config unchanged; of an index, the config for the platform" }),
    platform: Flags.string({ summary: 'which image of an index, such as linux/arm64; by default the whole index' }),
    ...expandFlag,
    ...oneRegistryFlags,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ImageInspect)
    const { openSource } = await import('../../src/image/open.ts')
    const { hostPlatform, parsePlatform } = await import('../../src/image/platform.ts')
    const { parseAnyReference } = await import('../../src/image/reference.ts')
    const { imageContextOf } = await import('../../src/cli/image/places.ts')
    const { inspectImage, inspectText, rawConfigOf, rawManifestOf } = await import('../../src/cli/image/inspect.ts')
    const reference = parseAnyReference(args.image)
    const named = flags.platform === undefined ? undefined : parsePlatform(flags.platform)
    const wish = { platform: named ?? ('all' as const), isNamed: named !== undefined }
    const tls = tlsWish(flags, 'tls-verify')
    await this.interruptible(async (signal) => {
      const source = await openSource(reference, imageContextOf(flags, tls, signal))
      try {
        if (flags.raw) process.stdout.write((await rawManifestOf(source, wish)).bytes)
        else if (flags.config) {
          const one = { platform: named ?? hostPlatform(process.arch), isNamed: named !== undefined }
          process.stdout.write(await rawConfigOf(source, one))
        } else {
          const found = await inspectImage(source, wish)
          if (flags.json) this.printJson(found)
          else this.print(inspectText(found, columnsFor(process.stdout)))
        }
      } finally {
        await source.close()
      }
    })
  }
}
