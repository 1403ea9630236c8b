import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type ClusterSearch, registryImage } from '../../image/in-cluster.ts'
import type { RegistryOptions } from '../../image/media/registry/registry.ts'
import { type ImageName, imageNameText } from '../../image/name.ts'
import type { RegistryReference } from '../../image/reference.ts'
import { openSignatureSource } from '../../image/signature-source.ts'
import type { Root } from '../../trust/root.ts'
import type { Verdict } from '../../trust/verdict.ts'
import { verifyImage } from '../../trust/verify.ts'
import { type ChosenRequirement, chooseRequirement, type VerifyRequest } from './requirement.ts'
import type { RootPlace } from './root.ts'

export interface VerifyRun {
  readonly verdict: Verdict
  /** The policy that decided; undefined if the command line did, or there was none. */
  readonly policy: string | undefined
  /** What the user should know, whatever the verdict. */
  readonly warnings: readonly string[]
}

export interface VerifyPlaces {
  readonly registry: RegistryOptions & ClusterSearch
  readonly root: RootPlace
  /** The folder of the built-in policies. */
  readonly builtInPolicies: string
}

/**
 * Verifies an image in a registry: decides whom to trust, then fetches signatures and judges.
 * @throws Failure if something other than the image is at fault (a flag, a file)
 */
export async function verifyByWishes(
  reference: RegistryReference,
  wishes: VerifyRequest,
  places: VerifyPlaces,
): Promise<VerifyRun> {
  const { image, called } = await registryImage(reference, places.registry)
  const chosen = await chooseRequirement(called, wishes, await yamlFiles(places.builtInPolicies))
  if (!chosen) return { verdict: policyMissing(called), policy: undefined, warnings: [] }
  const { requirement, policy, trustedRoot } = chosen
  // The command line takes precedence over the policy, as everywhere.
  const { file, tufMirror } = places.root
  const place = file === undefined && tufMirror === undefined ? { ...places.root, file: trustedRoot } : places.root
  const openRoot = rootOpener(place)
  // An explicitly named root is always read: it may be wrong, and detecting that must not depend on the image.
  if (place.file !== undefined || place.tufMirror !== undefined) await openRoot()
  const source = await openSignatureSource(image, imageNameText(called), places.registry)
  try {
    const verdict = await verifyImage(source, { requirement, openRoot, now: places.registry.clock.now() })
    return { verdict, policy, warnings: warningsOf(chosen) }
  } finally {
    await source.close()
  }
}

/** Opens the root once. */
function rootOpener(place: RootPlace): () => Promise<Root> {
  let opened: Promise<Root> | undefined
  return () => {
    opened ??= import('./root.ts').then(({ openRoot }) => openRoot(place))
    return opened
  }
}

function warningsOf({ requirement }: ChosenRequirement): string[] {
  const { logRequired, sctRequired } = requirement
  return [
    ...(logRequired
      ? []
      : ['No transparency log was required (insecure): signatures made with a stolen key would go unnoticed.']),
    ...(sctRequired
      ? []
      : ['No certificate log was required (insecure): wrongly issued certificates would go unnoticed.']),
  ]
}

function policyMissing(image: ImageName): Verdict {
  return {
    answer: 'policy-missing',
    image: imageNameText(image),
    message: 'nothing says whose signature counts for this image',
    next: [
      'Give --certificate-identity with --certificate-oidc-issuer, or --key.',
      'Or write a policy and give it with --policy FILE; templates/trust/nativelink.yaml is an example.',
    ],
  }
}

/** The folder of the policies that come with `native`. */
export function builtInPolicies(root: string): string {
  return join(root, 'templates/trust')
}

async function yamlFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder)
  return names
    .filter((each) => each.endsWith('.yaml'))
    .sort()
    .map((each) => join(folder, each))
}
