/** The digest of a manifest: what a signature of an image is about. */
export type ManifestDigest = `${'sha256' | 'sha512'}:${string}`

/** A layer of a manifest that was attached to an image: a signature or an attestation. */
export interface AttachedLayer {
  readonly mediaType: string
  readonly digest: ManifestDigest
  /** Bytes. */
  readonly size: number
  readonly annotations: Readonly<Record<string, string>>
}

/** A manifest that was attached to an image. */
export interface AttachedManifest {
  readonly digest: ManifestDigest
  readonly layers: readonly AttachedLayer[]
  readonly annotations: Readonly<Record<string, string>>
  /** What it says that it refers to. */
  readonly subject: string | undefined
}

/** An entry in the list of what refers to an image. */
export interface Referrer {
  readonly digest: ManifestDigest
  readonly artifactType: string | undefined
}

/**
 * The repository of one image, as far as verification has to look into it. Whatever it gives
 * by digest it has checked against that digest (Failure 'corrupt'). Beside what each function
 * says they throw Failure 'unavailable', 'deadline' and 'denied'.
 */
export interface SignatureSource {
  /** `host/repository`, and what follows it, as the user named it. */
  readonly name: string
  /** The digest that the image has now. @throws Failure 'not-found' */
  resolve(): Promise<ManifestDigest>
  /** A manifest by tag or digest; undefined when there is none. */
  manifest(
    reference: { readonly tag: string } | { readonly digest: ManifestDigest },
  ): Promise<AttachedManifest | undefined>
  /** What refers to a manifest (OCI 1.1, or the fallback tag). @throws Failure 'exhausted' for too many */
  referrers(digest: ManifestDigest): Promise<readonly Referrer[]>
  /** A layer's bytes. @throws Failure 'exhausted' when it has more than bytesMax */
  blob(layer: AttachedLayer, bytesMax: number): Promise<Uint8Array>
}
