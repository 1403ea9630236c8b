import { Failure } from '../core/failure.ts'
import { printable } from '../core/printable.ts'
import type { ContentDigest } from '../image/content-digest.ts'
import type { RegistryOptions } from '../image/media/registry/registry.ts'
import { imageNameText } from '../image/name.ts'
import type { Reference } from '../image/reference.ts'
import { openSignatureSource } from '../image/signature-source.ts'
import { findPolicy, policyImageOf, requirementOf } from '../trust/policy-file.ts'
import { shippedRoot } from '../trust/root.ts'
import { rootInFile } from '../trust/root-file.ts'
import { refusalText } from '../trust/verdict.ts'
import { verifyImage } from '../trust/verify.ts'

/** Characters of a refusal: a registry may hold any number of signatures by others. */
const refusalMax = 1000

/**
 * Verifies an image by the first policy that is for it.
 * @param policies files with policies
 * @returns the digest that was signed, perhaps of an index: only that may be used
 * @throws Failure 'precondition' for an image that is not signed as required, cannot be verified, or has no policy;
 *   those of the files
 */
export async function verifiedDigest(
  reference: Reference,
  policies: readonly string[],
  registry: RegistryOptions,
): Promise<ContentDigest> {
  if (reference.transport !== 'docker')
    throw new Failure('precondition', 'its signature cannot be verified: only registries have signatures', {
      next: ['Push the image to a registry and sign it there: native image copy --sign.'],
    })
  const policy = await findPolicy(policies, policyImageOf(reference.image))
  if (!policy)
    throw new Failure('precondition', 'nothing says whose signature counts for it', {
      next: ['The setting images.policies of the worker names the files with trust policies.'],
    })
  const { trustedRoot } = policy
  const source = await openSignatureSource(reference.image, imageNameText(reference.image), registry)
  try {
    const verdict = await verifyImage(source, {
      requirement: requirementOf(policy),
      openRoot: async () => (trustedRoot === undefined ? shippedRoot() : await rootInFile(trustedRoot)),
      now: registry.clock.now(),
    })
    if (verdict.answer === 'verified') return verdict.digest
    throw new Failure('precondition', printable(refusalText(verdict), refusalMax))
  } finally {
    await source.close()
  }
}

/** @throws Failure 'not-found' or 'invalid' for a file of policies that cannot be used */
export async function assertPolicies(files: readonly string[]): Promise<void> {
  // No image has this name, so every file is read.
  await findPolicy(files, { repository: '', tag: undefined })
}
