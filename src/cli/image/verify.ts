import { Failure } from '../../core/failure.ts'
import type { ContentDigest } from '../../image/content-digest.ts'
import type { ImageContext } from '../../image/open.ts'
import { type RegistryReference, referenceText } from '../../image/reference.ts'
import { rootPlaceOf, type TrustFlags, wishesOf } from '../verify/flags.ts'
import { verdictText } from '../verify/present.ts'
import { builtInPolicies, verifyByWishes } from '../verify/run.ts'

/** The part of oclif's configuration that is needed. */
export interface Places {
  readonly cacheDir: string
  /** The folder of `native` itself. */
  readonly root: string
}

/** Verifies an image. @throws Failure 'denied' with the verdict, unless it is "verified" */
export type Verifier = (reference: RegistryReference, signal: AbortSignal) => Promise<Judged>

export interface Judged {
  readonly digest: ContentDigest
  readonly warnings: readonly string[]
}

/** For `copy --verify` and `deploy`: verifies like `native image verify`, and returns the digest that was verified. */
export function verifierOf(flags: TrustFlags, places: Places, around: ImageContext): Verifier {
  return async (reference, signal) => {
    const found = await verifyByWishes(reference, wishesOf(flags), {
      registry: { ...around, signal },
      root: rootPlaceOf(flags, places.cacheDir),
      builtInPolicies: builtInPolicies(places.root),
    })
    const { verdict, warnings } = found
    if (verdict.answer === 'verified') return { digest: verdict.digest, warnings }
    throw new Failure('denied', `the image is refused: ${verdict.answer.replace('-', ' ')}`, {
      where: referenceText(reference),
      output: [...warnings.map((each) => `warning: ${each}`), verdictText(found)].join('\n'),
    })
  }
}
