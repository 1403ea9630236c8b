import { type Compression, expanded } from '../../archive/expand.ts'
import { Failure } from '../../core/failure.ts'
import { configBytesMax, type ImageConfig, parseConfig } from '../config.ts'
import { algorithmOf, type ContentDigest, contentHash } from '../content-digest.ts'
import { type Descriptor, parseManifest, type RawManifest } from '../manifest.ts'
import { isConfigType, isForeignLayer, layerCompression } from '../media-types.ts'
import type { Source } from '../medium.ts'
import { verified, verifiedBytes } from '../verified.ts'
import { applyLayer } from './layer.ts'
import { type Room, tooLarge } from './room.ts'
import { storedEntries, storeLayer } from './stored-layer.ts'

/** Files, folders and symlinks in all layers of an image. */
const entriesMax = 2_000_000

/** Where layers are stored, each once for all images that have it. */
export interface StoredLayers {
  /**
   * A layer, stored before or now; it stays until the image has been unpacked.
   * @param store called with an empty folder; returns how many bytes it has filled
   * @throws what `store` throws; the signal's reason
   */
  get(
    diffId: ContentDigest,
    store: (folder: string) => Promise<number>,
    signal: AbortSignal,
  ): Promise<{ readonly folder: string; readonly bytes: number }>
}

/** The result of unpacking an image. */
export interface Unpacked {
  /** Disk space that its tree takes beside the stored layers. */
  readonly bytes: number
  /** `NAME=value`, from its config. */
  readonly environment: readonly string[]
}

/**
 * Unpacks an image into an empty folder: layer by layer, each verified against the manifest and the config. Only layers
 * that are not stored yet are read from the source.
 * @param raw the manifest of one image, not an index
 * @param bytesMax limit for its files, those of stored layers included
 * @throws Failure of the source; 'corrupt', 'invalid', 'exhausted' for something that is not an image, or is too
 *   large; the signal's reason
 */
export async function unpackImage(
  source: Source,
  raw: RawManifest,
  folder: string,
  stored: StoredLayers,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Unpacked> {
  const manifest = parseManifest(raw, source.name)
  if (manifest.kind !== 'manifest' || !isConfigType(manifest.config.mediaType))
    throw new Failure('invalid', 'this is an artifact or an index, and not an image with a file system', {
      where: source.name,
    })
  const config = await configOf(source, manifest.config)
  const diffIds = config.rootfs.diff_ids
  const { layers } = manifest
  if (diffIds.length !== layers.length)
    throw new Failure('corrupt', `the config names ${diffIds.length} layers, the manifest ${layers.length}`, {
      where: source.name,
    })
  const room: Room = { bytes: bytesMax, entries: entriesMax }
  let own = 0
  for (const [at, layer] of layers.entries()) {
    const where = `${source.name} ${layer.digest}`
    const diffId = diffIds[at]
    const compression = layerCompression(layer.mediaType)
    if (compression === undefined || diffId === undefined || isForeignLayer(layer))
      throw new Failure('unimplemented', `a layer of the type ${layer.mediaType} cannot be unpacked`, { where })
    const { bytes } = room
    const kept = await stored.get(
      diffId,
      (into) => storeBlob({ source, layer, compression, diffId }, into, { bytes, entries: entriesMax }, signal),
      signal,
    )
    room.bytes -= kept.bytes
    const before = room.bytes
    if (before < 0) throw tooLarge('is larger than it may be', where)
    await applyLayer(storedEntries(kept.folder), folder, room, where)
    own += before - room.bytes
    signal.throwIfAborted()
  }
  return { bytes: own, environment: config.config?.Env ?? [] }
}

async function configOf(source: Source, descriptor: Descriptor): Promise<ImageConfig> {
  const bytes = await verifiedBytes(await source.blob(descriptor), descriptor, configBytesMax, source.name)
  return parseConfig(bytes, source.name)
}

interface LayerBlob {
  readonly source: Source
  readonly layer: Descriptor
  readonly compression: Compression
  readonly diffId: ContentDigest
}

/** Reads a layer into a folder, verified. @returns how many bytes it takes on disk */
async function storeBlob(
  { source, layer, compression, diffId }: LayerBlob,
  folder: string,
  room: Room,
  signal: AbortSignal,
): Promise<number> {
  const where = `${source.name} ${layer.digest}`
  const before = room.bytes
  const content = verified(await source.blob(layer), layer, source.name)
  const hash = contentHash(algorithmOf(diffId))
  const hashed = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of expanded(content, compression, where)) {
      signal.throwIfAborted()
      hash.update(piece)
      yield piece
    }
  }
  await storeLayer(hashed(), folder, room, where)
  const found = `${algorithmOf(diffId)}:${hash.digest('hex')}`
  if (found === diffId) return before - room.bytes
  throw new Failure('corrupt', `a layer expands to ${found}, the config says ${diffId}`, { where })
}
