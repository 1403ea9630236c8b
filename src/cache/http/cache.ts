import type { CacheContext } from '../context.ts'
import type { References } from '../references.ts'
import type { Uploads } from '../uploads.ts'
import type { Objects } from './objects.ts'

/** What the protocols over HTTP share, with each other and with the services of gRPC. */
export interface HttpCache {
  readonly context: CacheContext
  readonly uploads: Uploads
  readonly references: References
  readonly objects: Objects
}
