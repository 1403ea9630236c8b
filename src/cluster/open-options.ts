import type { UserContext } from '../host/user-folders.ts'
import type { ContentDigest } from '../image/content-digest.ts'
import type { ImageName } from '../image/name.ts'

/** What a driver must know of its user, its machine and this program. */
export interface OpenOptions extends UserContext {
  /** Of the cluster. */
  readonly name: string
  /** How `native` is started: the runtime and the script, absolute. */
  readonly program: readonly string[]
  /** The release of `native`; another one restarts the servers at the next deploy. */
  readonly release: string
  /** Where the user stands, which relative files are from; that of the process when absent. */
  readonly cwd?: string
  /** How a published image is judged; whoever opens a driver joins `image` and `trust`. */
  readonly verify?: ImageVerifier
}

/**
 * Judges an image in a registry by its signatures: whose count is said by these policies, then by those that
 * come with `native`.
 * @returns the digest of what was found good, and what the user should know of it
 * @throws Failure 'denied' with the verdict
 */
export type ImageVerifier = (
  image: ImageName,
  policies: readonly string[],
  signal: AbortSignal,
) => Promise<{ readonly digest: ContentDigest; readonly warnings: readonly string[] }>
