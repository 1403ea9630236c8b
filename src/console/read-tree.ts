import type { CasClient } from '../client/cas.ts'
import type { Clock } from '../core/clock.ts'
import { type Digest, digestFromWire, digestFunctions, digestText } from '../core/digest.ts'
import { digestGroups } from '../core/digest-groups.ts'
import { Failure } from '../core/failure.ts'
import { batchBytesMax } from '../core/limits.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import type { History, Tables } from './history.ts'
import type { Kept } from './learn.ts'

export interface TreeReading {
  readonly client: CasClient
  readonly history: History
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Directories read for one tree; most of a tree is usually known already. */
const directoriesMax = 20_000
/** Larger Directories are not kept. */
const directoryBytesMax = 1024 * 1024

/**
 * Reads the Directories of an input tree into the history, level by level. One noted recently has been read together
 * with all below it, so a tree costs only what is new in it.
 */
export async function readTree({ client, history, clock, signal }: TreeReading, root: Digest): Promise<void> {
  const seen = new Set<string>([digestText(root)])
  let level: Digest[] = [root]
  while (level.length > 0 && !signal.aborted) {
    const now = clock.now()
    const wanted = history.use((tables) => level.flatMap((digest) => unseenOf(tables, digest, now)))
    const found = await readLevel(client, wanted, signal)
    history.use(({ learn }) =>
      learn(
        [],
        found.filter(({ fresh }) => fresh),
        now,
      ),
    )
    level = []
    for (const { digest, bytes } of found)
      for (const child of childrenOf(bytes, digest)) {
        if (seen.has(digestText(child)) || seen.size >= directoriesMax) continue
        seen.add(digestText(child))
        level.push(child)
      }
  }
}

interface Wanted {
  readonly digest: Digest
  /** The history's own copy; uses of what is below it are still to be noted. */
  readonly own?: Uint8Array
}

interface Found extends Kept {
  readonly fresh: boolean
}

/** Empty for one that was noted recently. */
function unseenOf({ blobs }: Tables, digest: Digest, now: number): Wanted[] {
  if (digest.size > directoryBytesMax || digest.size === 0) return []
  const { there, lately } = blobs.touch(digest, now)
  if (lately) return []
  const own = there ? blobs.get(digest) : undefined
  return [own ? { digest, own } : { digest }]
}

/** Those that the cache no longer has are left out. */
async function readLevel(client: CasClient, wanted: readonly Wanted[], signal: AbortSignal): Promise<Found[]> {
  const found: Found[] = wanted.flatMap(({ digest, own }) => (own ? [{ digest, bytes: own, fresh: false }] : []))
  for (const part of digestGroups(
    wanted.flatMap(({ digest, own }) => (own ? [] : [digest])),
    { bytesMax: batchBytesMax },
  )) {
    const blobs = await client.readBlobs(part, signal)
    for (const digest of part) {
      const bytes = blobs.get(digestText(digest))
      if (bytes) found.push({ digest, bytes, fresh: true })
    }
  }
  return found
}

function childrenOf(bytes: Uint8Array, { fn }: Digest): Digest[] {
  try {
    const { directories } = decodeMessage(re.Directory, bytes)
    return directories.map(({ digest }) => digestFromWire(digest, digestFunctions[fn].value, 'directories.digest'))
  } catch (error) {
    // The scheduler has refused such a tree; here it counts as empty.
    if (error instanceof Failure && error.kind === 'invalid') return []
    throw error
  }
}
