import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Args, Flags } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'
import { expandFlag } from '../../src/cli/image/expand-flag.ts'
import { registryFlags, tlsFlag, tlsWish } from '../../src/cli/image/registry-flags.ts'
import { signFlags, signWishesOf } from '../../src/cli/image/sign/flags.ts'
import { assertNoTrust, trustFlags } from '../../src/cli/verify/flags.ts'
import { Failure } from '../../src/core/failure.ts'

const inRegistry = { helpGroup: 'REGISTRY' }

/** Flags that say how an image is built. */
const buildFlags = ['image', 'definition', 'ref', 'base'] as const

/** These flags have no effect when an image is copied, and whoever gives one expects otherwise. */
function assertNothingBuilt(flag: (typeof buildFlags)[number] | undefined): void {
  if (flag === undefined) return
  throw new Failure('invalid', `--${flag} says how to build an image, but with a SOURCE nothing is built`, {
    where: `--${flag}`,
    next: ['Leave out the flag to copy SOURCE, or leave out SOURCE to build.'],
  })
}

export default class ImageCopy extends NativeCommand {
  static override summary = 'build the image of native, or copy an image from one place to another'
  static override description =
    `Image names are written as skopeo writes them: docker://HOST/NAME:TAG, docker-daemon:NAME:TAG, docker-archive:FILE[:NAME:TAG], oci:DIR[:NAME], oci-archive:FILE[:NAME], dir:DIR; and kind:[CLUSTER][/NAME:TAG] for the registry of a kind cluster.

With one name, the image is built and written there. Building needs neither docker nor root, and the same sources always give the same bytes. With two names, the image is copied from the first to the second. Blobs that are there already are not sent again, so a second attempt continues where the first one stopped.`
  static override usage = ['image copy DEST', 'image copy SOURCE DEST']
  static override examples = [
    '<%= config.bin %> image copy oci:/tmp/native',
    '<%= config.bin %> image copy --image native-worker-lre-cc --platform linux/arm64 docker://localhost:5000/worker:1',
    '<%= config.bin %> image copy docker://ghcr.io/tracemachina/nativelink:v1.0.0 oci:nativelink --all',
    '<%= config.bin %> image copy docker-daemon:tools:1 kind:',
    '<%= config.bin %> image copy --check',
  ]
  static override args = {
    SOURCE: Args.string({
      description: 'the image to copy; if it is the only argument, where to write the image that is built',
    }),
    DEST: Args.string({ description: 'where to copy it to' }),
  }
  static override flags = {
    image: Flags.string({
      summary: 'which of the images defined here',
      default: 'native',
      helpGroup: 'BUILD',
    }),
    definition: Flags.string({
      summary: 'your own definition, a YAML file; files beside it that git ignores are left out',
      exclusive: ['image'],
      helpGroup: 'BUILD',
    }),
    ref: Flags.string({ summary: 'the sources, as for image tag; by default the working tree', helpGroup: 'BUILD' }),
    base: Flags.string({ summary: 'another base image than the one in the definition, anywhere', helpGroup: 'BUILD' }),
    check: Flags.boolean({ summary: 'build twice and compare; read back everything that was written and check it' }),
    platform: Flags.string({
      summary: 'such as linux/arm64; may be repeated when building',
      multiple: true,
      multipleNonGreedy: true,
    }),
    all: Flags.boolean({ summary: 'all platforms, as one index', exclusive: ['platform'] }),
    'preserve-digests': Flags.boolean({ summary: 'fail rather than write a manifest with a different digest' }),
    verify: Flags.boolean({
      summary: 'refuse a source that image verify does not accept',
      helpGroup: 'SIGNER',
    }),
    ...trustFlags,
    sign: Flags.boolean({
      summary:
        'sign what was written to a registry, as image sign does; without --sign-key, as the identity that a token names',
      helpGroup: 'SIGN',
    }),
    'sign-key': Flags.string({
      summary: 'file with the private key (PEM) to sign with',
      dependsOn: ['sign'],
      helpGroup: 'SIGN',
    }),
    ...signFlags,
    digestfile: Flags.string({ summary: 'write the digest to this file' }),
    ...expandFlag,
    ...registryFlags(inRegistry),
    'src-tls-verify': tlsFlag("the source's registry", inRegistry),
    'dest-tls-verify': tlsFlag("the destination's registry", inRegistry),
  }

  async run(): Promise<void> {
    const { args, flags, metadata } = await this.parse(ImageCopy)
    if (!flags.verify) assertNoTrust(flags)
    const isGiven = (flag: (typeof buildFlags)[number]): boolean =>
      flags[flag] !== undefined && metadata.flags[flag]?.setFromDefault !== true
    if (args.DEST !== undefined) assertNothingBuilt(buildFlags.find(isGiven))
    const { copySteps } = await import('../../src/cli/image/copy.ts')
    const { imageContextOf } = await import('../../src/cli/image/places.ts')
    const { epochOf } = await import('../../src/image/build/epoch.ts')
    const { parsePlatform } = await import('../../src/image/platform.ts')
    const { parseReference } = await import('../../src/image/reference.ts')
    const [source, destination] = args.DEST === undefined ? [undefined, args.SOURCE] : [args.SOURCE, args.DEST]
    const cache = join(this.config.cacheDir, 'images')
    const stop = new AbortController()
    const reading = imageContextOf(flags, tlsWish(flags, 'src-tls-verify'), stop.signal)
    // Verification is a lot of code, which a copy without it should not wait for.
    const verify = flags.verify
      ? (await import('../../src/cli/image/verify.ts')).verifierOf(flags, this.config, reading)
      : undefined
    const work = copySteps({
      source: source === undefined ? undefined : parseReference(source),
      destination: destination === undefined ? undefined : parseReference(destination),
      isBuildMeant: buildFlags.some(isGiven),
      platforms: [...new Set(flags.platform)].map(parsePlatform),
      all: flags.all,
      check: Boolean(flags.check),
      base: flags.base === undefined ? undefined : parseReference(flags.base),
      preserveDigests: flags['preserve-digests'],
      query: {
        ref: flags.ref,
        image: flags.image,
        definitionFile: flags.definition,
        cwd: process.cwd(),
        root: this.config.root,
        cache,
        env: process.env,
        signal: stop.signal,
      },
      reading,
      writing: imageContextOf(flags, tlsWish(flags, 'dest-tls-verify'), stop.signal, this.config.cacheDir),
      build: { epochSeconds: epochOf(process.env['SOURCE_DATE_EPOCH']), cache, path: process.env['PATH'] ?? '' },
      verify,
      sign: flags.sign
        ? signWishesOf(flags, flags['sign-key'], { forms: ['tag', 'referrer'], annotations: [] }, process.env)
        : undefined,
      stop,
      live: this.isLive(flags),
    })
    try {
      await this.runSteps(work.steps, flags)
    } finally {
      await work.close()
    }
    const copied = work.copied()
    if (flags.digestfile !== undefined) await writeFile(flags.digestfile, copied.digest)
    for (const warning of copied.warnings) this.note(`warning: ${warning}`)
    if (flags.json) this.printJson(copied)
    else this.print(copied.podsImage ?? copied.digest)
  }
}
