import { Failure } from '../../../core/failure.ts'
import { type ContentDigest, contentDigestOf } from '../../../image/content-digest.ts'
import {
  type Descriptor,
  descriptorOf,
  parseManifest,
  type RawManifest,
  serializeManifest,
} from '../../../image/manifest.ts'
import {
  openRegistryDestination,
  type RegistryOptions,
  type RegistryReader,
} from '../../../image/media/registry/registry.ts'
import { ociConfig, ociManifest } from '../../../image/media-types.ts'
import type { ImageName } from '../../../image/name.ts'
import { onePiece } from '../../../image/pieces.ts'
import { attachmentsMax } from '../../../trust/limits.ts'
import { bundlePredicateKey, cosignSignPredicate, simpleSigningType } from '../../../trust/media.ts'
import { bundleMediaType } from '../../../trust/statement.ts'

const emptyConfig = 'application/vnd.oci.empty.v1+json'

/** The repository that signatures are pushed to. */
export interface SignedRepository {
  readonly image: ImageName
  readonly reader: RegistryReader
  readonly options: RegistryOptions
}

/**
 * Adds a signature to the tag `sha256-<hex>.sig`, where cosign 2 looks (SIGNATURE_SPEC.md); existing ones are kept.
 * @returns the tag
 * @throws Failure 'exhausted' if there are more than anybody would read
 */
export async function attachByTag(
  { image, reader, options }: SignedRepository,
  signed: ContentDigest,
  payload: Buffer,
  annotations: Readonly<Record<string, string>>,
): Promise<string> {
  const tag = `${signed.replace(':', '-')}.sig`
  const before = await layersOf(reader, tag)
  if (before.length >= attachmentsMax)
    throw new Failure(
      'exhausted',
      `the image already has ${before.length} signatures, which is as many as are ever read`,
      {
        where: `${image.registry}/${image.repository}:${tag}`,
      },
    )
  const layer = { ...described(simpleSigningType, payload), annotations }
  const layers = [...before, layer]
  const config = Buffer.from(
    JSON.stringify({
      architecture: '',
      created: '0001-01-01T00:00:00Z',
      history: layers.map(() => ({ created: '0001-01-01T00:00:00Z' })),
      os: '',
      rootfs: { type: 'layers', diff_ids: layers.map((each) => each.digest) },
      config: {},
    }),
  )
  const document = { schemaVersion: 2, mediaType: ociManifest, config: described(ociConfig, config), layers }
  const raw = serializeManifest(document, ociManifest)
  const { registry, repository } = image
  await put({ registry, repository, tag }, raw, [payload, config], options)
  return tag
}

/**
 * Adds a bundle that refers to the image, where cosign 3 looks (OCI 1.1, or the fallback tag).
 * @returns its manifest's digest
 */
export async function attachAsReferrer(
  { image, options }: SignedRepository,
  signed: RawManifest,
  bundle: object,
  now: Date,
): Promise<ContentDigest> {
  const bytes = Buffer.from(JSON.stringify(bundle))
  const config = Buffer.from('{}')
  const { mediaType, digest, size } = descriptorOf(signed)
  const document = {
    schemaVersion: 2,
    mediaType: ociManifest,
    artifactType: bundleMediaType,
    config: described(emptyConfig, config),
    layers: [described(bundleMediaType, bytes)],
    subject: { mediaType, digest, size },
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      [bundlePredicateKey]: cosignSignPredicate,
      'org.opencontainers.image.created': now.toISOString(),
    },
  }
  const raw = serializeManifest(document, ociManifest)
  const { registry, repository } = image
  await put({ registry, repository, digest: raw.digest }, raw, [bytes, config], options)
  return raw.digest
}

function described(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: contentDigestOf(bytes), size: bytes.byteLength }
}

async function layersOf(reader: RegistryReader, tag: string): Promise<readonly Descriptor[]> {
  try {
    const manifest = parseManifest(await reader.manifestOf({ tag }), `${reader.name} ${tag}`)
    return manifest.kind === 'manifest' ? manifest.layers : []
  } catch (error) {
    if (error instanceof Failure && error.kind === 'not-found') return []
    throw error
  }
}

async function put(
  image: ImageName,
  raw: RawManifest,
  blobs: readonly Uint8Array[],
  options: RegistryOptions,
): Promise<void> {
  const destination = await openRegistryDestination(image, options)
  try {
    for (const bytes of blobs) {
      const descriptor = described('application/octet-stream', bytes)
      if (!(await destination.hasBlob(descriptor))) await destination.putBlob(descriptor, async () => onePiece(bytes))
    }
    await destination.putManifest(raw, true)
    await destination.commit()
  } catch (error) {
    await destination.abort()
    throw error
  }
}
