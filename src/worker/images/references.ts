import type { Clock } from '../../core/clock.ts'

/** What is known of references to images. */
export interface References {
  /** The digest that it resolved to before, or that it has itself. */
  digestOf(reference: string): string | undefined
  /** The reference with the digest that it resolved to before. */
  pinned(reference: string): string
  /** It resolves to this digest until this worker ends. @param pin what to find it by again */
  resolved(reference: string, digest: string, pin?: string): void
  failed(reference: string, error: unknown): void
  /** @throws what fetching it failed with only just now */
  assertNotFailed(reference: string): void
}

/** How long a failure is remembered: a build has many actions, and all of them name the missing image. */
const failedMs = 5_000
const failuresMax = 1000
const referencesMax = 10_000
const ownDigest = /^docker:.*@(sha\d+:[0-9a-f]+)$/

/** @param verifies whether a reference with a digest has to be resolved like any other before it may be used */
export function createReferences(clock: Clock, verifies: boolean): References {
  /** A moving tag would give one build two toolchains, hence what each resolved to first. */
  const digests = new Map<string, { readonly digest: string; readonly pin: string }>()
  const failures = new Map<string, { readonly error: unknown; readonly until: number }>()
  return {
    digestOf: (reference) => digests.get(reference)?.digest ?? (verifies ? undefined : ownDigest.exec(reference)?.[1]),
    pinned: (reference) => pinned(reference, digests.get(reference)?.pin),
    resolved(reference, digest, pin = digest) {
      failures.delete(reference)
      // A reference with its own digest stands for exactly that, or, if it is an index's, for the image of this
      // platform in it.
      if (!verifies && ownDigest.exec(reference)?.[1] === digest) return
      if (digests.get(reference)?.digest === digest) return
      // Without a registry a digest cannot be looked up again: the name may refer to another image by now.
      digests.delete(reference)
      const [oldest] = digests.keys()
      if (digests.size >= referencesMax && oldest !== undefined) digests.delete(oldest)
      digests.set(reference, { digest, pin })
    },
    failed(reference, error) {
      if (failures.size >= failuresMax) failures.clear()
      failures.set(reference, { error, until: clock.now() + failedMs })
    },
    assertNotFailed(reference) {
      const failed = failures.get(reference)
      if (failed && failed.until > clock.now()) throw failed.error
    },
  }
}

/** A reference with the digest that it resolved to; one that has its own digest, perhaps of an index, is kept. */
export function pinned(reference: string, digest: string | undefined): string {
  const isRegistry = reference.startsWith('docker://')
  return digest === undefined || !isRegistry || reference.includes('@') ? reference : `${reference}@${digest}`
}
