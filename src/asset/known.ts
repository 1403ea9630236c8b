import type { Digest, DigestFunction } from '../core/digest.ts'
import type { Checksum } from './checksum.ts'
import type { Checked, Known } from './content.ts'
import type { AssetContext } from './context.ts'
import type { Kind } from './counts.ts'
import type { Asset } from './names.ts'
import type { Qualifiers } from './qualifiers.ts'
import type { FetchRequest } from './request.ts'

/** The name of pushed content: exactly this URI with exactly these qualifiers. */
export function pushedName(kind: Kind, uri: string, qualifiers: Qualifiers): readonly string[] {
  return ['pushed', kind, uri, ...[...qualifiers].flat()]
}

/**
 * The name of content that has been found to have a checksum.
 * @param more what else the client distinguishes it by: the canonical id, the folder within an archive
 */
export function checksumName(kind: Kind, { fn, hash }: Checksum, more: readonly string[]): readonly string[] {
  return ['checksum', kind, fn, hash, ...more]
}

/** What a client has pushed for one of the URIs, if all of it is still there; this counts as a use. */
export async function pushed(
  context: AssetContext,
  kind: Kind,
  { uris, qualifiers, ...request }: FetchRequest,
): Promise<Known | undefined> {
  for (const uri of uris) {
    const asset = await usable(context, kind, pushedName(kind, uri, qualifiers), request)
    if (asset) return { digest: asset.digest, uri }
  }
  return undefined
}

/**
 * Content in the cache with one of the checksums, whatever its origin.
 * @param more as for checksumName
 */
export async function checksummed(
  context: AssetContext,
  kind: Kind,
  checksums: readonly Checksum[],
  more: readonly string[],
  request: FetchRequest,
): Promise<Checked | undefined> {
  for (const checksum of checksums) {
    const asset = await usable(context, kind, checksumName(kind, checksum, more), request)
    if (asset) return { digest: asset.digest, checksums: [checksum], sinceMs: asset.sinceMs }
  }
  return undefined
}

/**
 * A blob whose hash is one of the checksums. Its age and what it was stored for are unknown: not for requests that
 * care.
 */
export async function located(
  { cache }: AssetContext,
  checksums: readonly Checksum[],
  fn: DigestFunction,
): Promise<Checked | undefined> {
  for (const checksum of checksums) {
    const digest = checksum.fn === fn ? await cache.blobs.locate(fn, checksum.hash) : undefined
    if (digest && (await cache.blobs.findMissing([digest])).length === 0)
      return { digest, checksums: [checksum], sinceMs: 0 }
  }
  return undefined
}

async function usable(
  context: AssetContext,
  kind: Kind,
  name: readonly string[],
  { fn, oldestMs }: Pick<FetchRequest, 'fn' | 'oldestMs'>,
): Promise<Asset | undefined> {
  const asset = await context.names.get(name, fn)
  if (!asset || asset.sinceMs < oldestMs) return undefined
  if (asset.untilMs !== undefined && asset.untilMs <= context.clock.now()) {
    await context.names.delete(name, fn)
    return undefined
  }
  return (await absentOf(context, kind, fn, asset)).length === 0 ? asset : undefined
}

/** Which blobs of an asset and all that it refers to are absent; for the others this counts as a use. */
export function absentOf(
  { cache }: AssetContext,
  kind: Kind,
  fn: DigestFunction,
  { digest, blobs, directories }: Pick<Asset, 'digest' | 'blobs' | 'directories'>,
): Promise<readonly Digest[]> {
  return kind === 'blob'
    ? cache.missing(fn, [digest, ...blobs], directories)
    : cache.missing(fn, blobs, [digest, ...directories])
}
