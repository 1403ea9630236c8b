import type { UserContext } from '../host/user-folders.ts'
import type { ContentDigest } from '../image/content-digest.ts'
import type { ImageName } from '../image/name.ts'

/** What a driver must know about its user, its machine and this program. */
export interface OpenOptions extends UserContext {
  /** The cluster's name. */
  readonly name: string
  /** How `native` is started: the runtime and the script, absolute. */
  readonly program: readonly string[]
  /** The release of `native`; another one restarts the servers at the next deploy. */
  readonly release: string
  /** The user's current folder, which relative paths are resolved against; the process's when absent. */
  readonly cwd?: string
  /** How a published image is verified; the code that opens a driver connects `image` and `trust`. */
  readonly verify?: ImageVerifier
}

/**
 * Verifies an image in a registry by its signatures: these policies say whose count, then those that come with
 * `native`.
 * @returns the digest of the verified image, and what the user should know about it
 * @throws Failure 'denied' with the verdict
 */
export type ImageVerifier = (
  image: ImageName,
  policies: readonly string[],
  signal: AbortSignal,
) => Promise<{ readonly digest: ContentDigest; readonly warnings: readonly string[] }>
