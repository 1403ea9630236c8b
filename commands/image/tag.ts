import { join } from 'node:path'
import { Args, Flags } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'

export default class ImageTag extends NativeCommand {
  static override summary = 'print the tag that an image has at a state of its sources'
  static override description =
    'The tag is a hash of all in the sources that decides what is in the image: its definition, the files that enter it, package-lock.json, the base that is pinned. SOURCE_DATE_EPOCH and --base change what image copy builds, and so its digest, but not the tag. It is known without building and, for what is here, without network. A working tree with changes has a tag of its own that ends with -dirty.'
  static override examples = [
    '<%= config.bin %> image tag',
    '<%= config.bin %> image tag HEAD~3 --image native-worker-lre-cc',
    '<%= config.bin %> image tag github:OWNER/REPO/main',
  ]
  static override args = {
    REF: Args.string({
      description:
        'a commit, branch or tag of the checkout, github:OWNER/REPO[/REF], or a git URL[#REF]; nothing is the working tree',
    }),
  }
  static override flags = {
    // Before the others: so the line of usage names each once.
    all: Flags.boolean({
      summary: 'every image that is defined here, each with its name',
      exclusive: ['image', 'definition'],
    }),
    image: Flags.string({ summary: 'which of the images that are defined here', default: 'native' }),
    definition: Flags.string({
      summary: 'a definition of your own, a YAML file; what git ignores beside it enters no image',
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
