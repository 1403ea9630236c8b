import { Flags } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'

export default class ImageLock extends NativeCommand {
  static override summary = 'write into image definitions which digests the tags of their bases have now'
  static override examples = ['<%= config.bin %> image lock', '<%= config.bin %> image lock --definition my-image.yaml']
  static override flags = {
    image: Flags.string({ summary: 'one of the images that are defined here; all by default' }),
    definition: Flags.string({ summary: 'a definition of your own, a YAML file', exclusive: ['image'] }),
    authfile: Flags.file({ summary: 'file with logins', env: 'REGISTRY_AUTH_FILE' }),
    'retry-times': Flags.integer({ summary: 'how often to try again what may go away', default: 3, min: 0, max: 20 }),
    'tls-verify': Flags.option({
      summary: 'with false: accept any certificate of the registry, and plain HTTP',
      options: ['true', 'false'] as const,
      default: 'true',
    })(),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ImageLock)
    const { lockText, refreshLocks } = await import('../../src/cli/image/lock.ts')
    const { surroundingsOf } = await import('../../src/cli/image/places.ts')
    const results = await this.interruptible((signal) =>
      refreshLocks({
        image: flags.image,
        definitionFile: flags.definition,
        cwd: process.cwd(),
        root: this.config.root,
        env: process.env,
        around: surroundingsOf(flags, { verify: flags['tls-verify'] === 'true', flag: '--tls-verify=false' }, signal),
      }),
    )
    if (flags.json) this.printJson(results)
    else this.print(lockText(results))
  }
}
