import { Failure } from '../core/failure.ts'
import { childManifest } from './child-manifest.ts'
import type { ContentDigest } from './content-digest.ts'
import { toOci } from './convert.ts'
import { absentLayer, isLeftElsewhere, refusedLayers } from './foreign-layers.ts'
import {
  type Descriptor,
  descriptorOf,
  type Index,
  indexEntriesMax,
  type Manifest,
  parseJson,
  parseManifest,
  type RawManifest,
  serializeManifest,
} from './manifest.ts'
import { isDockerType, isIndexType, isManifestType, ociTypeOf } from './media-types.ts'
import type { BlobOutcome, Destination, Source } from './medium.ts'
import type { Platform } from './platform.ts'
import { selectRoot } from './select.ts'
import { verified } from './verified.ts'

/** How deep indexes may be nested. */
export const depthMax = 4
/** Manifests of one copy, each counted as often as an index names it: twice as many as one index may have. */
export const manifestsMax = 2 * indexEntriesMax

export interface CopyOptions {
  /** Which image of an index; 'all' copies every one and the index. */
  readonly platform: Platform | 'all'
  /** The platform was named explicitly: an image for another one is refused even if it is the only one. */
  readonly isPlatformNamed?: boolean
  /** Refuse to write a manifest that differs from the one that was read. */
  readonly preserveDigests: boolean
  readonly signal: AbortSignal
  readonly progress?: CopyProgress
}

/** What a copy reports while it runs; every listener is optional. */
export interface CopyProgress {
  /** Blobs of one image that have to be at the destination in the end. */
  planned?(descriptors: readonly Descriptor[]): void
  /** Bytes received since the last call; negative when a blob starts over. */
  moved?(descriptor: Descriptor, bytes: number): void
  finished?(descriptor: Descriptor, outcome: BlobOutcome): void
  /** A blob has failed. Others may be in flight: a stalled request may be ended now. */
  failed?(): void
}

export interface CopyResult {
  /** The manifest now at the destination. */
  readonly digest: ContentDigest
  readonly mediaType: string
  /** The digest of the image's config, which is docker's image id; null for an index. */
  readonly config: ContentDigest | null
  readonly blobs: Readonly<Record<BlobOutcome, number>>
  /** Bytes of blobs that were written, without those present or mounted. */
  readonly bytes: number
}

/**
 * Copies an image, blobs before the manifests that name them, the root last. Everything is verified as it is read. What
 * the destination has is not sent again, so a retry continues where the first attempt stopped. Closes neither side.
 * @throws Failure of either side, or 'invalid' when the destination cannot hold what was requested
 */
export async function copyImage(source: Source, destination: Destination, options: CopyOptions): Promise<CopyResult> {
  const blobs: Record<BlobOutcome, number> = { present: 0, mounted: 0, written: 0 }
  const run: Run = { source, destination, options, blobs, config: null, bytes: 0, manifests: 0, done: new Map() }
  try {
    const raw = await rootOf(source, destination, options)
    const root = await copyManifest(run, raw, true, 0)
    await destination.commit()
    return { digest: root.digest, mediaType: root.mediaType, config: run.config, blobs, bytes: run.bytes }
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
  config: ContentDigest | null
  bytes: number
  /** Manifests that were read, counted with repetitions. */
  manifests: number
  /** Descriptors of written manifests, by their digests in the source. Not the bytes, which may be megabytes. */
  readonly done: Map<ContentDigest, Descriptor>
}

async function rootOf(source: Source, destination: Destination, options: CopyOptions): Promise<RawManifest> {
  if (options.preserveDigests && destination.holds === 'one-docker-image')
    throw new Failure('invalid', `${destination.name} stores no manifest, so the image has no digest there`, {
      where: '--preserve-digests',
    })
  const raw = await selectRoot(source, { platform: options.platform, isNamed: options.isPlatformNamed ?? false })
  if (destination.holds !== 'one-docker-image' || isManifestType(raw.mediaType)) return raw
  throw new Failure('invalid', `${destination.name} can hold only one image, not a whole index`, {
    where: '--all',
    next: ['Choose one with --platform.'],
  })
}

async function copyManifest(run: Run, raw: RawManifest, root: boolean, depth: number): Promise<Descriptor> {
  run.manifests += 1
  if (run.manifests > manifestsMax)
    throw new Failure('exhausted', `its indexes name more than ${manifestsMax} manifests`, { where: run.source.name })
  const before = run.done.get(raw.digest)
  if (before) return before
  const parsed = parseManifest(raw, run.source.name)
  if (parsed.kind === 'index' && depth >= depthMax)
    throw new Failure('invalid', `indexes are nested deeper than ${depthMax}`, { where: run.source.name })
  if (root && parsed.kind === 'manifest') run.config = parsed.config.digest
  const written =
    parsed.kind === 'index' ? await copyChildren(run, raw, parsed, depth) : await copyBlobs(run, raw, parsed)
  if (written.digest !== raw.digest && run.options.preserveDigests)
    throw new Failure(
      'invalid',
      `${run.destination.name} cannot store the manifest unchanged, so its digest would change`,
      {
        where: '--preserve-digests',
      },
    )
  run.options.signal.throwIfAborted()
  await run.destination.putManifest(written, root).catch((error: unknown) => {
    throw parsed.kind === 'manifest' ? refusedLayers(error, parsed, run.destination) : error
  })
  const descriptor = descriptorOf(written)
  run.done.set(raw.digest, descriptor)
  return descriptor
}

async function copyChildren(run: Run, raw: RawManifest, index: Index, depth: number): Promise<RawManifest> {
  const written: Descriptor[] = []
  for (const each of index.manifests) {
    if (!isManifestType(each.mediaType) && !isIndexType(each.mediaType)) {
      // Something that names layers but no manifests (a build cache) is also an index, whose entries are stored as
      // blobs.
      await copyEntry(run, each)
      written.push(each)
    } else written.push(await copyManifest(run, await childManifest(run.source, each), false, depth + 1))
  }
  const isSame = written.every((each, at) => each.digest === index.manifests[at]?.digest)
  if (isSame && (run.destination.holds === 'any' || !isDockerType(raw.mediaType))) return raw
  return rewrittenIndex(raw, written, run.source.name)
}

/** @throws Failure 'unimplemented' for anything that is not a blob either: a manifest of an unknown type */
async function copyEntry(run: Run, entry: Descriptor): Promise<void> {
  run.options.progress?.planned?.([entry])
  await copyBlob(run, entry, new AbortController().signal).catch((cause: unknown) => {
    if (!(cause instanceof Failure) || cause.kind !== 'not-found') throw cause
    throw new Failure('unimplemented', `the index names something of the type ${entry.mediaType}, which is unknown`, {
      where: `${run.source.name} ${entry.digest}`,
      cause,
    })
  })
}

/** The same index, with its children's new descriptors; everything else in it stays. */
function rewrittenIndex(raw: RawManifest, written: readonly Descriptor[], where: string): RawManifest {
  const document = parseJson(raw.bytes, 'the index', where) as { manifests: readonly object[] | null }
  const mediaType = ociTypeOf(raw.mediaType)
  const manifests = (document.manifests ?? []).map((each, at) => {
    const now = written[at]
    return now ? { ...each, ...now } : each
  })
  return serializeManifest({ ...document, mediaType, manifests }, mediaType)
}

async function copyBlobs(run: Run, raw: RawManifest, manifest: Manifest): Promise<RawManifest> {
  const waiting = blobsOf(manifest, run.source.name).filter((each) => !isLeftElsewhere(run.destination, each))
  run.options.progress?.planned?.(waiting)
  const failed = new AbortController()
  const lanes = Array.from({ length: Math.min(run.destination.parallelMax, waiting.length) }, async () => {
    for (let next = waiting.shift(); next && !failed.signal.aborted; next = waiting.shift())
      await copyBlob(run, next, failed.signal).catch((error: unknown) => {
        failed.abort(error)
        run.options.progress?.failed?.()
      })
  })
  // All lanes end before the first failure is thrown, so that nothing is written after an abort.
  await Promise.all(lanes)
  failed.signal.throwIfAborted()
  return run.destination.holds === 'oci' ? toOci(raw, run.source.name) : raw
}

/** Each blob once. A digest with two sizes would be checked against only one of them. */
function blobsOf(manifest: Manifest, where: string): Descriptor[] {
  const unique = new Map<ContentDigest, Descriptor>()
  for (const each of [manifest.config, ...manifest.layers]) {
    const size = unique.get(each.digest)?.size ?? each.size
    if (size !== each.size)
      throw new Failure('invalid', `the blob ${each.digest} is listed with ${size} bytes and with ${each.size}`, {
        where,
      })
    unique.set(each.digest, each)
  }
  return [...unique.values()]
}

/** @param failed aborted when another blob of the image has failed */
async function copyBlob(run: Run, descriptor: Descriptor, failed: AbortSignal): Promise<void> {
  const { source, destination, options } = run
  options.signal.throwIfAborted()
  const outcome = (await destination.hasBlob(descriptor))
    ? 'present'
    : await destination
        .putBlob(descriptor, reader(run, descriptor, failed), source.origin)
        .catch((error: unknown) => Promise.reject(absentLayer(error, descriptor, source, destination)))
  run.blobs[outcome] += 1
  if (outcome === 'written') run.bytes += descriptor.size
  options.progress?.finished?.(descriptor, outcome)
}

function reader(run: Run, descriptor: Descriptor, failed: AbortSignal): () => Promise<AsyncIterable<Uint8Array>> {
  const { source, options } = run
  // Another kind of failure: otherwise readers would retry what was aborted because of another blob.
  const sibling = new Failure('cancelled', 'another blob of the image has failed', { where: source.name })
  const assertWanted = (): void => {
    options.signal.throwIfAborted()
    if (failed.aborted) throw sibling
  }
  let told = 0
  return async () => {
    assertWanted()
    if (told > 0) options.progress?.moved?.(descriptor, -told)
    told = 0
    const content = await source.blob(descriptor)
    return counted(verified(content, descriptor, source.name), assertWanted, (bytes) => {
      told += bytes
      options.progress?.moved?.(descriptor, bytes)
    })
  }
}

/** The content; before each piece it checks whether the copy goes on. */
async function* counted(
  content: AsyncIterable<Uint8Array>,
  assertWanted: () => void,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of content) {
    assertWanted()
    yield chunk
    count(chunk.byteLength)
  }
}
