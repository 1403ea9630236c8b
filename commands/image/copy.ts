import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Args, Flags } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'
import { assertNoTrust, trustFlags } from '../../src/cli/verify/flags.ts'
import { Failure } from '../../src/core/failure.ts'

const tlsFlag = (side: string) =>
  Flags.option({
    summary: `with false: accept any certificate of the ${side}'s registry, and plain HTTP`,
    options: ['true', 'false'] as const,
    default: 'true',
    helpGroup: 'REGISTRY',
  })()

const tlsWish = (side: 'src' | 'dest', flags: Readonly<Record<`${typeof side}-tls-verify`, string>>) => ({
  verify: flags[`${side}-tls-verify`] === 'true',
  flag: `--${side}-tls-verify=false`,
})

/** What says how an image is built. */
const buildFlags = ['image', 'definition', 'ref', 'base'] as const

/** Where an image is copied such a flag has no effect, and whoever gives it believes otherwise. */
function assertNothingBuilt(flag: (typeof buildFlags)[number] | undefined): void {
  if (flag === undefined) return
  throw new Failure('invalid', `--${flag} says how an image is built, and with a SOURCE none is`, {
    where: `--${flag}`,
    next: ['Leave out the flag to copy SOURCE, or SOURCE to build.'],
  })
}

export default class ImageCopy extends NativeCommand {
  static override summary = 'build our image and write it anywhere, or copy an image between any two places'
  static override description =
    `Places are written as skopeo writes them: docker://HOST/NAME:TAG, docker-daemon:NAME:TAG, docker-archive:FILE[:NAME:TAG], oci:DIR[:NAME], oci-archive:FILE[:NAME], dir:DIR; and kind:[CLUSTER][/NAME:TAG], the registry of a kind cluster.

With one place our image is built, without docker and without root, and written there; the same sources give the same bytes on any day and in any folder. With two places the image is copied from the first to the second. What is there already is not sent again, so a second try goes on where the first one stopped.`
  static override usage = ['image copy DEST', 'image copy SOURCE DEST']
  static override examples = [
    '<%= config.bin %> image copy oci:/tmp/native',
    '<%= config.bin %> image copy --image native-worker-lre-cc --platform linux/arm64 docker://localhost:5000/worker:1',
    '<%= config.bin %> image copy docker://ghcr.io/tracemachina/nativelink:v1.0.0 oci:nativelink --all',
    '<%= config.bin %> image copy docker-daemon:tools:1 kind:',
    '<%= config.bin %> image copy --check',
  ]
  static override args = {
    SOURCE: Args.string({ description: 'what is copied; with one argument: where our image goes' }),
    DEST: Args.string({ description: 'where it goes' }),
  }
  static override flags = {
    image: Flags.string({
      summary: 'which of the images that are defined here',
      default: 'native',
      helpGroup: 'BUILD',
    }),
    definition: Flags.string({
      summary: 'a definition of your own, a YAML file; what git ignores beside it enters no image',
      exclusive: ['image'],
      helpGroup: 'BUILD',
    }),
    ref: Flags.string({ summary: 'the sources, as for image tag; the working tree by default', helpGroup: 'BUILD' }),
    base: Flags.string({ summary: "another base than the definition's, any place", helpGroup: 'BUILD' }),
    check: Flags.boolean({ summary: 'build twice and compare; read back all that was written and judge it' }),
    platform: Flags.string({
      summary: 'like linux/arm64; to build, may be given several times',
      multiple: true,
      multipleNonGreedy: true,
    }),
    all: Flags.boolean({ summary: 'every platform, as one index', exclusive: ['platform'] }),
    'preserve-digests': Flags.boolean({ summary: 'fail rather than write a manifest with another digest' }),
    verify: Flags.boolean({
      summary: 'refuse a source whose signature is not good; as image verify judges',
      helpGroup: 'SIGNER',
    }),
    ...trustFlags,
    digestfile: Flags.string({ summary: 'a file to write the digest into' }),
    authfile: Flags.file({ summary: 'file with logins', env: 'REGISTRY_AUTH_FILE', helpGroup: 'REGISTRY' }),
    'retry-times': Flags.integer({
      summary: 'how often to try again what may go away',
      default: 3,
      min: 0,
      max: 20,
      helpGroup: 'REGISTRY',
    }),
    'src-tls-verify': tlsFlag('source'),
    'dest-tls-verify': tlsFlag('destination'),
  }

  async run(): Promise<void> {
    const { args, flags, metadata } = await this.parse(ImageCopy)
    if (!flags.verify) assertNoTrust(flags)
    const isGiven = (flag: (typeof buildFlags)[number]): boolean =>
      flags[flag] !== undefined && metadata.flags[flag]?.setFromDefault !== true
    if (args.DEST !== undefined) assertNothingBuilt(buildFlags.find(isGiven))
    const { copySteps } = await import('../../src/cli/image/copy.ts')
    const { surroundingsOf } = await import('../../src/cli/image/places.ts')
    const { epochOf } = await import('../../src/image/build/epoch.ts')
    const { parsePlatform } = await import('../../src/image/platform.ts')
    const { parseReference } = await import('../../src/image/reference.ts')
    const [source, destination] = args.DEST === undefined ? [undefined, args.SOURCE] : [args.SOURCE, args.DEST]
    const cache = join(this.config.cacheDir, 'images')
    const stop = new AbortController()
    const reading = surroundingsOf(flags, tlsWish('src', flags), stop.signal)
    // Judging takes much code, which a copy without it does not wait for.
    const verify = flags.verify
      ? (await import('../../src/cli/image/verify.ts')).verifierOf(flags, this.config, reading)
      : undefined
    const work = copySteps({
      source: source === undefined ? undefined : parseReference(source),
      destination: destination === undefined ? undefined : parseReference(destination),
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
      writing: surroundingsOf(flags, tlsWish('dest', flags), stop.signal, this.config.cacheDir),
      build: { epochSeconds: epochOf(process.env['SOURCE_DATE_EPOCH']), cache, path: process.env['PATH'] ?? '' },
      verify,
      stop,
      live: !flags.json && process.stdout.isTTY === true,
    })
    try {
      await this.runSteps(work.steps, flags)
    } finally {
      await work.close()
    }
    const copied = work.copied()
    if (flags.digestfile !== undefined) await writeFile(flags.digestfile, copied.digest)
    for (const warning of copied.warnings) process.stderr.write(`warning: ${warning}\n`)
    if (flags.json) this.printJson(copied)
    else this.print(copied.podsImage ?? copied.digest)
  }
}
