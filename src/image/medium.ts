import type { ContentDigest } from './content-digest.ts'
import type { Descriptor, RawManifest } from './manifest.ts'

/** A place that an image is read from. Nothing that it gives is believed before it is verified (verified.ts). */
export interface Source {
  /** The reference, for people. */
  readonly name: string
  /** Where the blobs live in a registry, so that another repository there can mount them. */
  readonly origin?: BlobOrigin
  /**
   * The manifest that the reference names, or another one of the same place by its digest.
   * @throws Failure 'not-found', 'invalid', 'unavailable', 'denied'
   */
  manifest(digest?: ContentDigest): Promise<RawManifest>
  /**
   * The bytes of a blob from the start; as they are stored, so compressed if they are. A piece
   * is valid until the next is asked for: what keeps it longer has to copy it. Ending the
   * iteration early releases what is behind it.
   * @throws Failure 'not-found', 'unavailable', 'denied'
   */
  blob(descriptor: Descriptor): Promise<AsyncIterable<Uint8Array>>
  /** Closes files and connections, removes temporary files. */
  close(): Promise<void>
}

/** A repository in a registry. */
export interface BlobOrigin {
  readonly registry: string
  readonly repository: string
}

/** How a blob came to be where it had to be. */
export type BlobOutcome = 'present' | 'mounted' | 'written'

/** A place that an image is written to. Until commit, what stood there under the name still stands. */
export interface Destination {
  readonly name: string
  /** What it can hold: any manifest, only OCI's types, or one image in docker's own form. */
  readonly holds: 'any' | 'oci' | 'one-docker-image'
  /** Blobs that may be written at the same time. */
  readonly parallelMax: number
  /** Is exactly this blob there already? */
  hasBlob(descriptor: Descriptor): Promise<boolean>
  /**
   * Writes a blob.
   * @param open gives its verified bytes from the start, again for each call
   * @throws whatever reading threw; or Failure 'unavailable', 'denied', 'exhausted'. Nothing
   *   stands under the blob's digest then.
   */
  putBlob(descriptor: Descriptor, open: OpenBlob, origin?: BlobOrigin): Promise<BlobOutcome>
  /**
   * Writes a manifest, after everything that it names.
   * @param root true for the one that the reference is to name
   */
  putManifest(raw: RawManifest, root: boolean): Promise<void>
  /** Makes it all visible. */
  commit(): Promise<void>
  /** After a failure: removes what no second try can use. */
  abort(): Promise<void>
}

export type OpenBlob = () => Promise<AsyncIterable<Uint8Array>>
