import { Failure } from '../../core/failure.ts'
import { configBytesMax } from '../../image/config.ts'
import { algorithmOf, type ContentDigest, contentDigestOf } from '../../image/content-digest.ts'
import type { CopyResult } from '../../image/copy.ts'
import { parseManifest, type RawManifest } from '../../image/manifest.ts'
import type { Source } from '../../image/medium.ts'
import { type ImageContext, openSource } from '../../image/open.ts'
import { type Reference, referenceText } from '../../image/reference.ts'
import { type Validated, validateImage } from '../../image/validate.ts'
import { verifiedBytes } from '../../image/verified.ts'

/**
 * Reads back everything at a destination, and judges it.
 * @throws Failure 'corrupt' if it is not the image that was written, or incomplete
 */
export async function readBack(
  place: Reference,
  written: CopyResult,
  around: ImageContext,
  signal: AbortSignal,
): Promise<Validated> {
  const source = await openSource(place, around)
  try {
    const root = await source.manifest()
    const { wanted, found } = await compared(place, written, source, root)
    if (wanted !== found)
      throw new Failure('corrupt', `${wanted} was written, but ${found} is there`, {
        where: referenceText(place),
        next: [
          'Try again. If it happens again, someone else is writing there, or the destination does not store what it is sent.',
        ],
      })
    // Judge exactly what was compared: a tag may move in between.
    const manifest = async (digest?: ContentDigest) => (digest === undefined ? root : source.manifest(digest))
    return await validateImage({ ...source, manifest }, signal, around.expansion)
  } finally {
    await source.close()
  }
}

/** By manifest; docker's own format keeps none, but it keeps the config, which names all layers by content. */
async function compared(
  place: Reference,
  { digest, config }: CopyResult,
  source: Source,
  root: RawManifest,
): Promise<{ wanted: ContentDigest; found: ContentDigest }> {
  const isDockers = place.transport === 'docker-archive' || place.transport === 'docker-daemon'
  if (!isDockers || config === null) return { wanted: digest, found: contentDigestOf(root.bytes, algorithmOf(digest)) }
  const manifest = parseManifest(root, source.name)
  if (manifest.kind === 'index') throw new Failure('corrupt', 'an index is there', { where: source.name })
  const bytes = await verifiedBytes(await source.blob(manifest.config), manifest.config, configBytesMax, source.name)
  return { wanted: config, found: contentDigestOf(bytes, algorithmOf(config)) }
}
