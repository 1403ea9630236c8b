import type { BuildOptions } from '../../image/build/build.ts'
import type { ImageContext } from '../../image/open.ts'
import type { Platform } from '../../image/platform.ts'
import type { Reference } from '../../image/reference.ts'
import type { SourceQuery } from '../../image/sources.ts'
import type { SignRequest } from './sign/sign.ts'
import type { Verifier } from './verify.ts'

/** The arguments of `native image copy [SOURCE] DEST`. */
export interface CopyRequest {
  /** Undefined: our own image is built. */
  readonly source: Reference | undefined
  readonly destination: Reference | undefined
  /** A flag says how an image is built, so a single location is the destination. */
  readonly isBuildMeant: boolean
  readonly platforms: readonly Platform[]
  readonly all: boolean
  readonly check: boolean
  readonly base: Reference | undefined
  readonly preserveDigests: boolean
  readonly query: SourceQuery
  readonly reading: ImageContext
  readonly writing: ImageContext
  readonly build: Pick<BuildOptions, 'epochSeconds' | 'cache' | 'path'>
  /** Refuses a source that is not verified. */
  readonly verify: Verifier | undefined
  /** Signs what was written, if set. */
  readonly sign: SignRequest | undefined
  /** Aborts whatever uses the signals above when the work is interrupted. */
  readonly stop: AbortController
  /** Is it a terminal that can be redrawn? */
  readonly live: boolean
}
