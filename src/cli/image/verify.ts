import { join } from 'node:path'
import { Failure } from '../../core/failure.ts'
import type { ContentDigest } from '../../image/content-digest.ts'
import { type ImageName, imageNameText } from '../../image/name.ts'
import type { Surroundings } from '../../image/open.ts'
import { wishesOf } from '../verify/flags.ts'
import { verdictText } from '../verify/present.ts'
import { verifyByWishes } from '../verify/run.ts'

/** What of oclif's configuration is needed. */
export interface Places {
  readonly cacheDir: string
  /** The folder of `native` itself. */
  readonly root: string
}

/**
 * What `--verify` does: judges as `native image verify` does, and gives the digest that it judged.
 * @throws Failure 'denied' with the verdict, unless it is "verified"
 */
export function verifierOf(
  flags: Parameters<typeof wishesOf>[0],
  places: Places,
  around: Surroundings,
): (image: ImageName, signal: AbortSignal) => Promise<ContentDigest> {
  return async (image, signal) => {
    const root = flags['trusted-root']
    const found = await verifyByWishes(image, wishesOf(flags), {
      registry: { ...around, signal },
      root: {
        file: typeof root === 'string' ? root : undefined,
        tufMirror: undefined,
        tufRoot: undefined,
        cache: join(places.cacheDir, 'tuf'),
      },
      builtInPolicies: join(places.root, 'templates/trust'),
    })
    if (found.verdict.answer === 'verified') return found.verdict.digest
    throw new Failure('denied', `the image is not copied: ${found.verdict.answer.replace('-', ' ')}`, {
      where: imageNameText(image),
      output: verdictText(found),
    })
  }
}
