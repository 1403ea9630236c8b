import { Args, Flags } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'
import { registryFlags } from '../../src/cli/image/registry-flags.ts'
import { columnsFor } from '../../src/cli/terminal.ts'
import { rootPlaceOf, trustFlags, wishesOf } from '../../src/cli/verify/flags.ts'

export default class ImageVerify extends NativeCommand {
  static override aliases = ['verify']
  static override summary = 'verify who signed an image in a registry, and print the digest that was verified'
  static override description =
    `Finds and verifies every form of signature: cosign's .sig and .att tags, OCI 1.1 referrers, Sigstore bundles.

Whose signature counts is given by an identity and its issuer, by a key, or by the first trust policy that applies to the image (from --policy, then the built-in ones). The flags have the same names as cosign's. Unlike cosign, identities are compared exactly, and regular expressions must match all of an identity.

The root of trust is the one from --trusted-root or --tuf-mirror, otherwise the one from the policy, otherwise the root of sigstore.dev that comes with native and needs no network.

Exit codes: 0 verified, 20 unsigned, 21 wrong identity, 22 no such image, 23 tampered, 24 expired, 25 unreachable, 26 policy missing; others as for every command.`
  static override examples = [
    '<%= config.bin %> image verify ghcr.io/tracemachina/nativelink:v1.0.0',
    '<%= config.bin %> image verify --key cosign.pub localhost:5000/app@sha256:...',
    '<%= config.bin %> image verify --certificate-identity=me@example.com --certificate-oidc-issuer=https://accounts.google.com ghcr.io/me/app:1',
  ]
  static override args = {
    image: Args.string({
      description: 'host/name:tag or host/name@sha256:..., or kind:[CLUSTER]/name:tag',
      required: true,
    }),
  }
  static override flags = {
    ...trustFlags,
    'allow-insecure-registry': Flags.boolean({ summary: 'accept any certificate of the registry, and plain HTTP' }),
    ...registryFlags({}, 2),
    output: Flags.option({
      char: 'o',
      summary: 'format of the answer',
      options: ['text', 'json'] as const,
      default: 'text',
    })(),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ImageVerify)
    const { parseRegistryReference } = await import('../../src/image/reference.ts')
    const { imageContextOf } = await import('../../src/cli/image/places.ts')
    const { builtInPolicies, verifyByWishes } = await import('../../src/cli/verify/run.ts')
    const { verdictJson, verdictText } = await import('../../src/cli/verify/present.ts')
    const { verdictExitCodes } = await import('../../src/trust/verdict.ts')

    const found = await this.interruptible((signal) =>
      verifyByWishes(parseRegistryReference(args.image), wishesOf(flags), {
        registry: imageContextOf(
          flags,
          { verify: !flags['allow-insecure-registry'], flag: '--allow-insecure-registry' },
          signal,
        ),
        root: rootPlaceOf(flags, this.config.cacheDir),
        builtInPolicies: builtInPolicies(this.config.root),
      }),
    )
    for (const warning of found.warnings) this.note(`warning: ${warning}`)
    if (flags.json || flags.output === 'json') this.printJson(verdictJson(found))
    else this.print(verdictText(found, columnsFor(process.stdout)))
    this.exit(verdictExitCodes[found.verdict.answer])
  }
}
