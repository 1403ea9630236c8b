import { Failure } from '../../core/failure.ts'
import { type Descriptor, parseManifest } from '../../image/manifest.ts'
import { openRegistryReader, type RegistryOptions } from '../../image/media/registry/registry.ts'
import type { ImageName } from '../../image/name.ts'
import type { AttachedManifest, SignatureSource } from '../../trust/source.ts'

/**
 * An image's repository in a registry, for verification. Closing it closes connections.
 * @param name the image's name in the verdict
 */
export async function openSignatureSource(
  image: ImageName,
  name: string,
  options: RegistryOptions,
): Promise<SignatureSource & { close(): Promise<void> }> {
  const reader = await openRegistryReader(image, options)
  return {
    name,
    resolve: async () => (await reader.manifest()).digest,
    async manifest(reference) {
      try {
        const raw = await reader.manifestOf(reference)
        const where = `${name} ${'tag' in reference ? reference.tag : reference.digest}`
        return attached(parseManifest(raw, where), raw.digest)
      } catch (error) {
        if (error instanceof Failure && error.kind === 'not-found') return undefined
        throw error
      }
    },
    referrers: async (digest) =>
      (await reader.referrers(digest)).map((each) => ({ digest: each.digest, artifactType: each.artifactType })),
    blob: ({ mediaType, digest, size }, bytesMax) => reader.blobBytes({ mediaType, digest, size }, bytesMax),
    close: () => reader.close(),
  }
}

function attached(manifest: ReturnType<typeof parseManifest>, digest: AttachedManifest['digest']): AttachedManifest {
  return {
    digest,
    layers: manifest.kind === 'manifest' ? manifest.layers.map(layerOf) : [],
    annotations: manifest.annotations ?? {},
    subject: manifest.subject?.digest,
  }
}

function layerOf({ mediaType, digest, size, annotations }: Descriptor): AttachedManifest['layers'][number] {
  return { mediaType, digest, size, annotations: annotations ?? {} }
}
