import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { RegistryOptions } from '../../image/media/registry/registry.ts'
import { type ImageName, imageNameText } from '../../image/name.ts'
import type { Verdict } from '../../trust/verdict.ts'
import { verifyImage } from '../../trust/verify.ts'
import { type ChosenRequirement, chooseRequirement, type VerifyWishes } from './requirement.ts'
import { openRoot, type RootPlace } from './root.ts'
import { openSignatureSource } from './source.ts'

export interface VerifyRun {
  readonly verdict: Verdict
  /** The policy that decided; undefined when the command line did, or none was found. */
  readonly policy: string | undefined
  /** What the user should know whatever the verdict. */
  readonly warnings: readonly string[]
}

export interface VerifyPlaces {
  readonly registry: RegistryOptions
  readonly root: RootPlace
  /** The folder of the built-in policies. */
  readonly builtInPolicies: string
}

/**
 * Verifies an image in a registry: decides whom to trust, then looks and judges.
 * @throws Failure when something else than the image is at fault (a flag, a file)
 */
export async function verifyByWishes(image: ImageName, wishes: VerifyWishes, places: VerifyPlaces): Promise<VerifyRun> {
  const chosen = await chooseRequirement(image, wishes, await yamlFiles(places.builtInPolicies))
  if (!chosen) return { verdict: policyMissing(image), policy: undefined, warnings: [] }
  const { requirement, policy, trustedRoot } = chosen
  const root = await openRoot({ ...places.root, file: places.root.file ?? trustedRoot })
  const source = await openSignatureSource(image, places.registry)
  try {
    const verdict = await verifyImage(source, { requirement, root, now: places.registry.clock.now() })
    return { verdict, policy, warnings: warningsOf(chosen) }
  } finally {
    await source.close()
  }
}

function warningsOf({ requirement }: ChosenRequirement): string[] {
  const { logRequired, sctRequired } = requirement
  return [
    ...(logRequired
      ? []
      : ['No transparency log was required (insecure): nobody would notice signatures made with a stolen key.']),
    ...(sctRequired
      ? []
      : ['No certificate log was required (insecure): nobody would notice certificates issued wrongly.']),
  ]
}

function policyMissing(image: ImageName): Verdict {
  return {
    answer: 'policy-missing',
    image: imageNameText(image),
    message: 'nothing says whose signature counts for this image',
    next: [
      'Say it: --certificate-identity with --certificate-oidc-issuer, or --key.',
      'Or write a policy, and give it with --policy FILE; templates/trust/nativelink.yaml is one.',
    ],
  }
}

async function yamlFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder)
  return names
    .filter((each) => each.endsWith('.yaml'))
    .sort()
    .map((each) => join(folder, each))
}
