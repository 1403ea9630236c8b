import type { Digest } from '../core/digest.ts'

/** Blobs that an action needs and the storage lacks. */
export class MissingInputs extends Error {
  readonly digests: readonly Digest[]

  constructor(digests: readonly Digest[]) {
    super(`${digests.length} input blobs are missing`)
    this.name = 'MissingInputs'
    this.digests = digests
  }
}

/**
 * One error for several failed fetches: all missing blobs together, so that the client uploads them at once (rule 25);
 * any other failure takes precedence.
 */
export function allMissing(errors: readonly unknown[]): unknown {
  const missing = errors.filter((error) => error instanceof MissingInputs)
  const other = errors.find((error) => !(error instanceof MissingInputs))
  return other ?? new MissingInputs(missing.flatMap((error) => error.digests))
}
