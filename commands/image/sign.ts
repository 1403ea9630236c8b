import { Args, Flags } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'
import { oneRegistryFlags, tlsWish } from '../../src/cli/image/registry-flags.ts'
import { signFlags, signWishesOf } from '../../src/cli/image/sign/flags.ts'

export default class ImageSign extends NativeCommand {
  static override summary = 'sign an image in a registry, with a key or as the identity that a token names'
  static override description =
    `Signs the digest that the image has now, and stores the signatures beside it: under the tag where cosign 2 looks for them, and as a referrer of the image, where cosign 3 does. native image verify finds both.

With --key, a PEM file (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem), the signature is in no transparency log, and verifying it takes --key key.pub --insecure-ignore-tlog. Without --key, Sigstore issues a certificate for the identity that a token names, and its transparency log records the signature.`
  static override examples = [
    '<%= config.bin %> image sign --key key.pem localhost:5000/app:1',
    '<%= config.bin %> image sign ghcr.io/me/app@sha256:...',
    '<%= config.bin %> image sign --key key.pem -a commit=1a2b3c kind:/app:1',
  ]
  static override args = {
    image: Args.string({
      description: 'host/name:tag or host/name@sha256:..., or kind:[CLUSTER]/name:tag',
      required: true,
    }),
  }
  static override flags = {
    key: Flags.string({ summary: 'file with the private key (PEM); its passphrase is taken from COSIGN_PASSWORD' }),
    annotations: Flags.string({
      char: 'a',
      summary: 'key=value to include in the signature',
      multiple: true,
      multipleNonGreedy: true,
    }),
    form: Flags.option({
      summary: 'where to store the signature: for cosign 2 (tag), cosign 3 (referrer), or both',
      options: ['both', 'tag', 'referrer'] as const,
      default: 'both',
    })(),
    ...signFlags,
    ...oneRegistryFlags,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ImageSign)
    const { parseRegistryReference } = await import('../../src/image/reference.ts')
    const { imageContextOf } = await import('../../src/cli/image/places.ts')
    const { signImage } = await import('../../src/cli/image/sign/sign.ts')
    const forms = flags.form === 'both' ? (['tag', 'referrer'] as const) : [flags.form]
    const request = signWishesOf(flags, flags.key, { forms, annotations: flags.annotations ?? [] }, process.env)
    const tls = tlsWish(flags, 'tls-verify')
    const signed = await this.interruptible((signal) =>
      signImage(parseRegistryReference(args.image), request, imageContextOf(flags, tls, signal)),
    )
    if (flags.json) this.printJson(signed)
    else this.print(signed.image)
  }
}
