import { smallBlobBytesMax } from '../../core/limits.ts'
import type { DiskContext } from './context.ts'
import { createEviction, keptShare } from './eviction.ts'
import type { StoreFolder } from './folder.ts'
import { bytesInSegment } from './footer.ts'
import { largeFileBytes } from './large-file.ts'
import { createLargeFiles, type LargeFiles } from './large-files.ts'
import { headBytesFor, openPart, type Part } from './part.ts'
import { createPinTally, type Markable } from './pin-tally.ts'
import { createPins, type DiskPins } from './pins.ts'
import { recoverLarge } from './recover-large.ts'

/** The blobs of a store: small ones in segments, large ones in files, and what is kept for builds that run. */
export interface OpenBlobs extends Pick<Part, 'log' | 'space'> {
  readonly large: LargeFiles
  readonly pins: DiskPins | undefined
  readonly smallBytesMax: number
}

/** Recovers them, and evicts what is more than there is room for. */
export async function openBlobs(folder: StoreFolder, bytesMax: number, context: DiskContext): Promise<OpenBlobs> {
  const { io, options, clock } = context
  const { durability, log, smallBytesMax = smallBlobBytesMax, pinSilenceMs: silenceMs = 0 } = options
  const tally = createPinTally()
  const part = openPart(context, {
    folder: folder.blobs,
    aside: folder.aside,
    bytesMax,
    apart: true,
    marked: tally.changed,
    recoverFiles: () => recoverLarge(folder.large, log, folder.aside),
    evict: (room, inVain) => evict(room, inVain),
    refusal: (bytes) => (tally.bytes > 0 ? pins?.refusal(bytes) : undefined),
    nameOf: (digest) => digest,
  })
  const large = createLargeFiles({
    ...part,
    durability,
    clock,
    io,
    log,
    folder: folder.large,
    incoming: folder.incoming,
    found: part.files,
    marked: tally.changed,
    evicted: ({ digest, bytes, used, reuse }) => part.evicted(digest, bytes, used, reuse),
  })
  const pins =
    silenceMs === 0
      ? undefined
      : createPins({
          clock,
          tally,
          silenceMs,
          bytesMax: (bytesMax - headBytesFor(part.segmentBytes)) * keptShare,
          placeOf: (digest): Markable => (digest.size <= smallBytesMax ? part.log : large),
          places: [part.log, large],
          cost: ({ fn, size }) => (size <= smallBytesMax ? bytesInSegment(fn, size) : largeFileBytes(size)),
        })
  const evict = createEviction({
    ...part,
    large,
    async pinnedBytes() {
      await pins?.expire()
      return tally.bytes
    },
    order: 'least kept',
  })
  await part.space.hold(0)
  return { log: part.log, large, space: part.space, pins, smallBytesMax }
}
