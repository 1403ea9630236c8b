import { Failure } from '../core/failure.ts'
import type { ContentDigest } from './content-digest.ts'
import { type Descriptor, parseManifest } from './manifest.ts'
import { openRegistryReader, type RegistryOptions } from './media/registry/registry.ts'
import type { ImageName } from './name.ts'

/**
 * An image's repository in a registry, as a SignatureSource of the room `trust`. Closing it closes connections.
 * @param name the image's name in the verdict
 */
export async function openSignatureSource(image: ImageName, name: string, options: RegistryOptions) {
  const reader = await openRegistryReader(image, options)
  return {
    name,
    resolve: async () => (await reader.manifest()).digest,
    async manifest(reference: { readonly tag: string } | { readonly digest: ContentDigest }) {
      try {
        const raw = await reader.manifestOf(reference)
        const where = `${name} ${'tag' in reference ? reference.tag : reference.digest}`
        return attached(parseManifest(raw, where), raw.digest)
      } catch (error) {
        if (error instanceof Failure && error.kind === 'not-found') return undefined
        throw error
      }
    },
    referrers: async (digest: ContentDigest) =>
      (await reader.referrers(digest)).map((each) => ({ digest: each.digest, artifactType: each.artifactType })),
    blob: ({ mediaType, digest, size }: Descriptor, bytesMax: number) =>
      reader.blobBytes({ mediaType, digest, size }, bytesMax),
    close: () => reader.close(),
  }
}

function attached(manifest: ReturnType<typeof parseManifest>, digest: ContentDigest) {
  return {
    digest,
    layers: manifest.kind === 'manifest' ? manifest.layers.map(layerOf) : [],
    annotations: manifest.annotations ?? {},
    subject: manifest.subject?.digest,
  }
}

function layerOf({ mediaType, digest, size, annotations }: Descriptor) {
  return { mediaType, digest, size, annotations: annotations ?? {} }
}
