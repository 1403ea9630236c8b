import { z } from 'zod'
import { accessConfig } from './access.ts'
import { common, telling } from './common.ts'
import { serverTls } from './tls.ts'
import { hostPattern, size, span } from './values.ts'

const store = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('disk'),
    path: z.string().min(1),
    size,
    /** process: a kill -9 loses nothing acknowledged; power: nor does a power cut. */
    durability: z.enum(['process', 'power']).default('process'),
  }),
  z.strictObject({ kind: z.literal('memory'), size }),
])

/** `native serve cas`. */
export const casConfig = z.strictObject({
  ...common,
  ...telling,
  /** Serve with TLS, and only with it. */
  tls: serverTls.optional(),
  /** Who may do what; without it, everybody may do everything. */
  access: accessConfig.optional(),
  store,
  action_cache: z.strictObject({ update: z.boolean().default(true) }).prefault({}),
  /** The largest blob that may be written; 0 means that only the store's size limits it. */
  blob_size_max: size.default(0),
  /** Blobs are not evicted while a build that was told of them, or brought them, is running. For a store on disk. */
  pins: z
    .strictObject({
      /** A build that no call has named for so long is over; 0s keeps nothing for any. */
      silence: span.default(10 * 60_000),
    })
    .prefault({}),
  /** How SplitBlob cuts a blob: all clients of a cache have to cut the same way. */
  chunking: z
    .strictObject({
      /** Average chunk size in bytes; clients ignore what is not a power of two, and some accept only 512 KiB. */
      average: size.refine(isChunkAverage, 'must be a power of two from 1 KiB to 1 MiB').default(512 * 1024),
      seed: z
        .int()
        .nonnegative()
        .max(2 ** 32 - 1)
        .default(0),
      /** RepMaxCDC, for clients that ask for it. Bazel goes on with its own values where these are out of its bounds. */
      rep_max: z
        .strictObject({
          /** Size of the smallest chunk, in bytes; the largest has one byte less than twice this. */
          min: size
            .refine((bytes) => bytes >= 2 ** 10 && bytes <= 2 ** 20, 'must be from 1 KiB to 1 MiB')
            .default(256 * 1024),
          /** How far ahead a better place for a cut is looked for, in bytes; the API recommends eight times `min`. */
          horizon: size.refine((bytes) => bytes <= 8 * 2 ** 20, 'must be at most 8 MiB').default(2 * 2 ** 20),
        })
        .prefault({}),
    })
    .prefault({}),
  /** The Remote Asset API. */
  asset: z
    .strictObject({
      /** Whether the cache fetches URLs that clients name; off, it only knows what they push. */
      fetch: z.enum(['on', 'off']).default('on'),
      /** Hosts of this machine and of private networks that it may fetch from. */
      allow: z.array(hostPattern).max(1024).default([]),
      /** Used when a fetch names no time-out, and the most that it may name. */
      timeout: z.strictObject({ default: span.default(10 * 60_000), max: span.default(3_600_000) }).prefault({}),
      /** A PEM file of certificates to trust in addition to the usual ones. */
      ca: z.string().min(1).optional(),
    })
    .prefault({}),
})

export type CasConfig = z.output<typeof casConfig>

function isChunkAverage(bytes: number): boolean {
  return bytes >= 2 ** 10 && bytes <= 2 ** 20 && Number.isInteger(Math.log2(bytes))
}
