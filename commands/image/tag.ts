import { join } from 'node:path'
import { Args, Flags } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'

export default class ImageTag extends NativeCommand {
  static override summary = 'print the tag that an image has at some state of its sources'
  static override description =
    'The tag is a hash of everything in the sources that determines what is in the image: its definition, the files that go into it, package-lock.json, and the digest of its base image. SOURCE_DATE_EPOCH and --base change what image copy builds, and therefore the digest of the image, but not the tag. Nothing is built to compute it and, for local sources, no network is needed. A working tree with changes has a tag that ends with -dirty.'
  static override examples = [
    '<%= config.bin %> image tag',
    '<%= config.bin %> image tag HEAD~3 --image native-worker-lre-cc',
    '<%= config.bin %> image tag github:OWNER/REPO/main',
  ]
  static override args = {
    REF: Args.string({
      description:
        'a commit, branch or tag of the checkout, github:OWNER/REPO[/REF], or a git URL[#REF]; by default the working tree',
    }),
  }
  static override flags = {
    // Before the others, so that the usage line names each once.
    all: Flags.boolean({
      summary: 'all images defined here, each with its name',
      exclusive: ['image', 'definition'],
    }),
    image: Flags.string({ summary: 'which of the images defined here', default: 'native' }),
    definition: Flags.string({
      summary: 'your own definition, a YAML file; files beside it that git ignores are left out',
      exclusive: ['image'],
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ImageTag)
    const { imageTag, imageTags } = await import('../../src/image/sources.ts')
    const query = {
      ref: args.REF,
      image: flags.image,
      definitionFile: flags.definition,
      cwd: process.cwd(),
      root: this.config.root,
      cache: join(this.config.cacheDir, 'images'),
      env: process.env,
    }
    if (flags.all) {
      const tags = await this.interruptible((signal) => imageTags({ ...query, signal }))
      if (flags.json) this.printJson(tags)
      else for (const [name, facts] of Object.entries(tags)) this.print(`${name} ${facts.tag}`)
      return
    }
    const facts = await this.interruptible((signal) => imageTag({ ...query, signal }))
    if (flags.json) this.printJson(facts)
    else this.print(facts.tag)
  }
}
