import { Failure } from '../core/failure.ts'
import { readDsseLayer, readSimpleSigning } from './annotated.ts'
import type { RequiredKind } from './claims.ts'
import type { Evidence } from './evidence.ts'
import { attachedManifestsMax, attachmentsMax, attestationBytesMax, signatureBytesMax } from './limits.ts'
import {
  bundlePredicateKey,
  bundleTypePrefix,
  cosignSignPredicate,
  dsseType,
  mayBeSignature,
  simpleSigningType,
} from './media.ts'
import { Rejection } from './rejection.ts'
import type { AttachedLayer, AttachedManifest, ManifestDigest, Referrer, SignatureSource } from './source.ts'

/** A signature found with an image, not read yet. */
export interface Attachment {
  /** Where it is stored, for people: a tag, or the digest of a referrer. */
  readonly where: string
  readonly via: 'tag' | 'referrer'
  /**
   * Fetches and reads it: an envelope may have several signatures.
   * @throws Rejection; Failure of the source, but for 'corrupt' and 'exhausted'
   */
  read(): Promise<readonly Evidence[]>
}

/** Characters of a tag (distribution-spec): too few for a SHA-512. */
const tagMax = 128

/** More is attached to an image than we examine. */
export class TooManyAttached extends Error {
  constructor(what: string) {
    super(what)
    this.name = 'TooManyAttached'
  }
}

/**
 * Everything attached to an image that may be what is wanted: cosign's tag `sha256-<hex>.sig` (or `.att`), and what
 * refers to the image. Bundles come first, as in cosign 3.
 * @throws Failure of the source; TooManyAttached
 */
export async function findAttached(
  source: SignatureSource,
  digest: ManifestDigest,
  wanted: RequiredKind,
): Promise<readonly Attachment[]> {
  const tag = `${digest.replace(':', '-')}.${wanted.kind === 'signature' ? 'sig' : 'att'}`
  const [tagged, referrers] = await Promise.all([
    tag.length > tagMax ? undefined : opened(source, { tag }),
    listed(source, digest),
  ])
  const found: Attachment[] = []
  for (const referrer of referrers instanceof Error ? [] : referrers) {
    const manifest = await opened(source, { digest: referrer.digest })
    if (manifest instanceof Rejection) found.push(unreadable('referrer', referrer.digest, manifest))
    else if (manifest?.subject === digest)
      found.push(...attachmentsOf(source, manifest, wanted, 'referrer', manifest.digest))
  }
  if (tagged instanceof Rejection) found.push(unreadable('tag', tag, tagged))
  else if (tagged) found.push(...attachmentsOf(source, tagged, wanted, 'tag', tag))
  // Last, because the tag may be enough; the unreadable list only matters if it is not.
  if (referrers instanceof Error) found.push(unreadable('referrer', 'the list of referrers', referrers))
  if (found.length > attachmentsMax)
    throw new TooManyAttached(
      `${found.length} signatures are attached to the image, at most ${attachmentsMax} are read`,
    )
  return found
}

/** What refers to the image and may be a signature, or why the list cannot be read. */
async function listed(
  source: SignatureSource,
  digest: ManifestDigest,
): Promise<readonly Referrer[] | Rejection | Failure> {
  const referrers = await source.referrers(digest).catch((cause: unknown) => {
    if (!(cause instanceof Failure)) throw cause
    if (cause.kind === 'exhausted') throw new TooManyAttached(cause.message)
    if (cause.kind === 'cancelled') throw cause
    return rejectionOf(cause) ?? cause
  })
  if (referrers instanceof Error) return referrers
  const candidates = referrers.filter((each) => mayBeSignature(each.artifactType))
  if (candidates.length <= attachedManifestsMax) return candidates
  throw new TooManyAttached(
    `${candidates.length} manifests refer to the image, at most ${attachedManifestsMax} are read`,
  )
}

/** A manifest, or why it cannot be read: a damaged one must not prevent the others from being judged. */
async function opened(
  source: SignatureSource,
  reference: Parameters<SignatureSource['manifest']>[0],
): Promise<AttachedManifest | Rejection | undefined> {
  try {
    return await source.manifest(reference)
  } catch (cause) {
    const rejection = cause instanceof Failure && rejectionOf(cause)
    if (rejection) return rejection
    throw cause
  }
}

function unreadable(via: Attachment['via'], where: string, why: Rejection | Failure): Attachment {
  return { where, via, read: () => Promise.reject(why) }
}

function attachmentsOf(
  source: SignatureSource,
  manifest: AttachedManifest,
  wanted: RequiredKind,
  via: Attachment['via'],
  where: string,
): Attachment[] {
  return manifest.layers.flatMap((layer) => {
    const read = readerOf(layer, manifest, wanted)
    if (!read) return []
    const bytesMax = wanted.kind === 'signature' ? signatureBytesMax : attestationBytesMax
    return [{ where, via, read: async () => read(layer, await fetched(source, layer, bytesMax)) }]
  })
}

/** The reader for a layer, or undefined if it is not what is wanted. */
function readerOf(
  layer: AttachedLayer,
  manifest: AttachedManifest,
  wanted: RequiredKind,
): ((layer: AttachedLayer, bytes: Uint8Array) => Promise<readonly Evidence[]>) | undefined {
  const isSignature = wanted.kind === 'signature'
  if (layer.mediaType === simpleSigningType) return isSignature ? readSimpleSigning : undefined
  if (layer.mediaType === dsseType) return isSignature ? undefined : readDsseLayer
  if (!layer.mediaType.startsWith(bundleTypePrefix)) return undefined
  // The annotation is not signed: it can only save a large download, never make anything pass.
  const told = manifest.annotations[bundlePredicateKey]
  const asked = isSignature ? cosignSignPredicate : wanted.predicateType
  return told === undefined || told === asked ? readBundleLayer : undefined
}

/** The code for bundles is loaded for the first of them. */
async function readBundleLayer(_: AttachedLayer, bytes: Uint8Array): Promise<readonly Evidence[]> {
  const { readBundle } = await import('./bundle.ts')
  return readBundle(bytes)
}

async function fetched(source: SignatureSource, layer: AttachedLayer, bytesMax: number): Promise<Uint8Array> {
  if (layer.size > bytesMax)
    throw new Rejection('malformed', `it has ${layer.size} bytes, at most ${bytesMax} are read`)
  try {
    return await source.blob(layer, bytesMax)
  } catch (cause) {
    throw (cause instanceof Failure && rejectionOf(cause)) || cause
  }
}

/** What a failure means for the signature; undefined if it is about reaching it. */
function rejectionOf(cause: Failure): Rejection | undefined {
  switch (cause.kind) {
    case 'corrupt':
      return new Rejection('forged', 'its bytes do not match its digest', { cause })
    case 'exhausted':
      return new Rejection('malformed', 'it is longer than its size says', { cause })
    case 'invalid':
      return new Rejection('malformed', 'its manifest cannot be read', { cause })
    case 'not-found':
      return new Rejection('malformed', 'its bytes are missing', { cause })
    default:
      return undefined
  }
}
