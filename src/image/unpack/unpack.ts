import { join } from 'node:path'
import { expanded } from '../../archive/expand.ts'
import { Failure } from '../../core/failure.ts'
import { configBytesMax, type ImageConfig, parseConfig } from '../config.ts'
import { algorithmOf, type ContentDigest, contentHash } from '../content-digest.ts'
import { type Descriptor, parseManifest, type RawManifest } from '../manifest.ts'
import { isConfigType, isForeignLayer, layerCompression } from '../media-types.ts'
import type { Source } from '../medium.ts'
import { verified, verifiedBytes } from '../verified.ts'
import { applyLayer } from './layer.ts'
import type { Room } from './room.ts'

/** Files, folders and symlinks in all layers of an image. */
const entriesMax = 2_000_000

/** The result of unpacking an image. */
export interface Unpacked {
  /** Disk space of all files, folders and links, counted as often as layers contain them. */
  readonly bytes: number
  /** `NAME=value`, from its config. */
  readonly environment: readonly string[]
}

/**
 * Unpacks an image into an empty folder: layer by layer, each verified against the manifest and the config.
 * @param raw the manifest of one image, not an index
 * @param bytesMax limit for its files
 * @throws Failure of the source; 'corrupt', 'invalid', 'exhausted' for something that is not an image, or is too
 *   large; the signal's reason
 */
export async function unpackImage(
  source: Source,
  raw: RawManifest,
  folder: string,
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
  for (const [at, layer] of layers.entries()) await unpackLayer(source, layer, diffIds[at], folder, room, signal)
  return { bytes: bytesMax - room.bytes, environment: config.config?.Env ?? [] }
}

async function configOf(source: Source, descriptor: Descriptor): Promise<ImageConfig> {
  const bytes = await verifiedBytes(await source.blob(descriptor), descriptor, configBytesMax, source.name)
  return parseConfig(bytes, source.name)
}

async function unpackLayer(
  source: Source,
  layer: Descriptor,
  diffId: ContentDigest | undefined,
  folder: string,
  room: Room,
  signal: AbortSignal,
): Promise<void> {
  const compression = layerCompression(layer.mediaType)
  const where = `${source.name} ${layer.digest}`
  if (compression === undefined || diffId === undefined || isForeignLayer(layer))
    throw new Failure('unimplemented', `a layer of the type ${layer.mediaType} cannot be unpacked`, { where })
  const content = verified(await source.blob(layer), layer, source.name)
  const hash = contentHash(algorithmOf(diffId))
  const hashed = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of expanded(content, compression, where)) {
      signal.throwIfAborted()
      hash.update(piece)
      yield piece
    }
  }
  await applyLayer(hashed(), join(folder), room, where)
  const found = `${algorithmOf(diffId)}:${hash.digest('hex')}`
  if (found === diffId) return
  throw new Failure('corrupt', `a layer expands to ${found}, the config says ${diffId}`, { where })
}
