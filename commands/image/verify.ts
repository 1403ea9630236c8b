import { Args, Flags } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'
import { rootPlaceOf, trustFlags, wishesOf } from '../../src/cli/verify/flags.ts'

export default class ImageVerify extends NativeCommand {
  static override aliases = ['verify']
  static override summary = 'verify who signed an image in a registry, and print the digest that was verified'
  static override description =
    `Finds and verifies every form of signature: cosign's .sig and .att tags, OCI 1.1 referrers, Sigstore bundles.

Whose signature counts is said by an identity and its issuer, by a key, or by the first trust policy that is for the image (--policy, then the built-in ones). Flags have cosign's names; other than with cosign an identity is compared exactly and a regular expression has to match the whole of it.

What is trusted is said by --trusted-root or --tuf-mirror, else by the policy, else by the root of sigstore.dev that is shipped: without network.

Exit codes: 0 verified, 20 unsigned, 21 wrong identity, 22 no such image, 23 tampered, 24 expired, 25 unreachable, 26 policy missing; others as everywhere.`
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
    authfile: Flags.file({ summary: 'file with logins', env: 'REGISTRY_AUTH_FILE' }),
    'retry-times': Flags.integer({ summary: 'how often to try again what may go away', default: 2, min: 0, max: 20 }),
    output: Flags.option({
      char: 'o',
      summary: 'how to answer',
      options: ['text', 'json'] as const,
      default: 'text',
    })(),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ImageVerify)
    const { parseRegistryReference } = await import('../../src/image/reference.ts')
    const { surroundingsOf } = await import('../../src/cli/image/places.ts')
    const { builtInPolicies, verifyByWishes } = await import('../../src/cli/verify/run.ts')
    const { verdictJson, verdictText } = await import('../../src/cli/verify/present.ts')
    const { verdictExitCodes } = await import('../../src/trust/verdict.ts')

    const found = await this.interruptible((signal) =>
      verifyByWishes(parseRegistryReference(args.image), wishesOf(flags), {
        registry: surroundingsOf(
          flags,
          { verify: !flags['allow-insecure-registry'], flag: '--allow-insecure-registry' },
          signal,
        ),
        root: rootPlaceOf(flags, this.config.cacheDir),
        builtInPolicies: builtInPolicies(this.config.root),
      }),
    )
    for (const warning of found.warnings) process.stderr.write(`warning: ${warning}\n`)
    if (flags.json || flags.output === 'json') this.printJson(verdictJson(found))
    else this.print(verdictText(found))
    this.exit(verdictExitCodes[found.verdict.answer])
  }
}
