import { Failure } from '../core/failure.ts'
import type { ContentDigest } from './content-digest.ts'
import { toOci } from './convert.ts'
import {
  type Descriptor,
  descriptorOf,
  type Index,
  type Manifest,
  parseJson,
  parseManifest,
  type RawManifest,
  serializeManifest,
} from './manifest.ts'
import { isDockerType, isIndexType, isManifestType, ociTypeOf } from './media-types.ts'
import type { BlobOutcome, Destination, Source } from './medium.ts'
import type { Platform } from './platform.ts'
import { selectPlatform } from './select.ts'
import { verified } from './verified.ts'

/** Indexes may hold indexes, but not without end. */
const depthMax = 4

export interface CopyOptions {
  /** Which image of an index; 'all' copies every one and the index. */
  readonly platform: Platform | 'all'
  /** Refuse rather than write another manifest than the one that was read. */
  readonly preserveDigests: boolean
  readonly signal: AbortSignal
  readonly progress?: CopyProgress
}

/** What a copy says while it runs; nothing of it has to be answered. */
export interface CopyProgress {
  /** Blobs of one image that have to be at the destination in the end. */
  planned?(descriptors: readonly Descriptor[]): void
  started?(descriptor: Descriptor): void
  /** Bytes that came since the last call; negative when a blob starts again. */
  moved?(descriptor: Descriptor, bytes: number): void
  finished?(descriptor: Descriptor, outcome: BlobOutcome): void
}

export interface CopyResult {
  /** The manifest that now stands at the destination. */
  readonly digest: ContentDigest
  readonly mediaType: string
  readonly blobs: Readonly<Record<BlobOutcome, number>>
  /** Bytes of blobs that were written; those that were there or mounted do not count. */
  readonly bytes: number
}

/**
 * Copies an image, blobs before the manifests that name them, the root last. Everything is
 * verified while it is read. What the destination has is not sent again, so a second try goes
 * on where the first one stopped. Closes neither side.
 * @throws Failure of either side, or 'invalid' when the destination cannot hold what was asked for
 */
export async function copyImage(source: Source, destination: Destination, options: CopyOptions): Promise<CopyResult> {
  const blobs: Record<BlobOutcome, number> = { present: 0, mounted: 0, written: 0 }
  const run: Run = { source, destination, options, blobs, bytes: 0, done: new Map() }
  try {
    const raw = await chooseRoot(source, destination, options)
    const root = await copyManifest(run, raw, true, 0)
    await destination.commit()
    return { digest: root.digest, mediaType: root.mediaType, blobs, bytes: run.bytes }
  } catch (error) {
    await destination.abort()
    throw error
  }
}

interface Run {
  readonly source: Source
  readonly destination: Destination
  readonly options: CopyOptions
  readonly blobs: Record<BlobOutcome, number>
  bytes: number
  /** Manifests that were copied already, by what they were in the source. */
  readonly done: Map<ContentDigest, RawManifest>
}

async function chooseRoot(source: Source, destination: Destination, options: CopyOptions): Promise<RawManifest> {
  if (options.preserveDigests && destination.holds === 'one-docker-image')
    throw new Failure('invalid', `${destination.name} keeps no manifest, so the image has no digest there`, {
      where: '--preserve-digests',
    })
  const raw = await source.manifest()
  const parsed = parseManifest(raw, source.name)
  if (parsed.kind === 'manifest') return raw
  if (options.platform !== 'all') {
    const chosen = selectPlatform(parsed, options.platform, source.name)
    return child(source, chosen)
  }
  if (destination.holds !== 'one-docker-image') return raw
  throw new Failure('invalid', `${destination.name} holds one image, not the whole index`, {
    where: '--all',
    next: ['Choose one with --platform.'],
  })
}

async function copyManifest(run: Run, raw: RawManifest, root: boolean, depth: number): Promise<RawManifest> {
  const before = run.done.get(raw.digest)
  if (before) return before
  const parsed = parseManifest(raw, run.source.name)
  if (parsed.kind === 'index' && depth >= depthMax)
    throw new Failure('invalid', `indexes are nested deeper than ${depthMax}`, { where: run.source.name })
  const written =
    parsed.kind === 'index' ? await copyChildren(run, raw, parsed, depth) : await copyBlobs(run, raw, parsed)
  if (written.digest !== raw.digest && run.options.preserveDigests)
    throw new Failure(
      'invalid',
      `${run.destination.name} cannot hold the manifest as it is, so its digest would change`,
      {
        where: '--preserve-digests',
      },
    )
  run.options.signal.throwIfAborted()
  await run.destination.putManifest(written, root)
  run.done.set(raw.digest, written)
  return written
}

async function copyChildren(run: Run, raw: RawManifest, index: Index, depth: number): Promise<RawManifest> {
  const written: RawManifest[] = []
  for (const each of index.manifests) {
    if (!isManifestType(each.mediaType) && !isIndexType(each.mediaType))
      throw new Failure('invalid', `the index names something of the unknown type ${each.mediaType}`, {
        where: `${run.source.name} ${each.digest}`,
      })
    written.push(await copyManifest(run, await child(run.source, each), false, depth + 1))
  }
  const isSame = written.every((each, at) => each.digest === index.manifests[at]?.digest)
  if (isSame && (run.destination.holds === 'any' || !isDockerType(raw.mediaType))) return raw
  return rewrittenIndex(raw, written, run.source.name)
}

/** The index again, naming the children as they were written; whatever else it says stays. */
function rewrittenIndex(raw: RawManifest, written: readonly RawManifest[], where: string): RawManifest {
  const document = parseJson(raw.bytes, 'the index', where) as { manifests: readonly object[] }
  const mediaType = ociTypeOf(raw.mediaType)
  const manifests = document.manifests.map((each, at) => {
    const now = written[at]
    return now ? { ...each, ...descriptorOf(now) } : each
  })
  return serializeManifest({ ...document, mediaType, manifests }, mediaType)
}

async function copyBlobs(run: Run, raw: RawManifest, manifest: Manifest): Promise<RawManifest> {
  const unique = new Map([manifest.config, ...manifest.layers].map((each) => [each.digest, each]))
  const waiting = [...unique.values()]
  run.options.progress?.planned?.(waiting)
  const lanes = Array.from({ length: Math.min(run.destination.parallelMax, waiting.length) }, async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await copyBlob(run, next, waiting)
  })
  // All lanes end before the first failure is told: nobody writes behind an abort's back.
  const ends = await Promise.allSettled(lanes)
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return run.destination.holds === 'oci' ? toOci(raw, run.source.name) : raw
}

async function copyBlob(run: Run, descriptor: Descriptor, waiting: Descriptor[]): Promise<void> {
  const { source, destination, options } = run
  try {
    options.signal.throwIfAborted()
    options.progress?.started?.(descriptor)
    const outcome = (await destination.hasBlob(descriptor))
      ? 'present'
      : await destination.putBlob(descriptor, reader(run, descriptor), source.origin)
    run.blobs[outcome] += 1
    if (outcome === 'written') run.bytes += descriptor.size
    options.progress?.finished?.(descriptor, outcome)
  } catch (error) {
    // One failure is enough: the other lanes finish what they have and take nothing more.
    waiting.length = 0
    throw error
  }
}

function reader(run: Run, descriptor: Descriptor): () => Promise<AsyncIterable<Uint8Array>> {
  let told = 0
  return async () => {
    if (told > 0) run.options.progress?.moved?.(descriptor, -told)
    told = 0
    const content = await run.source.blob(descriptor)
    return counted(verified(content, descriptor, run.source.name), run.options.signal, (bytes) => {
      told += bytes
      run.options.progress?.moved?.(descriptor, bytes)
    })
  }
}

async function* counted(
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of content) {
    signal.throwIfAborted()
    yield chunk
    count(chunk.byteLength)
  }
}

async function child(source: Source, wanted: Descriptor): Promise<RawManifest> {
  const raw = await source.manifest(wanted.digest)
  if (raw.bytes.byteLength !== wanted.size)
    throw new Failure(
      'corrupt',
      `the manifest ${wanted.digest} has ${raw.bytes.byteLength} bytes, its index says ${wanted.size}`,
      {
        where: source.name,
      },
    )
  if (raw.mediaType !== wanted.mediaType)
    throw new Failure(
      'invalid',
      `the manifest ${wanted.digest} is ${raw.mediaType}, its index says ${wanted.mediaType}`,
      {
        where: source.name,
      },
    )
  return raw
}
