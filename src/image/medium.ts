import type { ContentDigest } from './content-digest.ts'
import type { Descriptor, RawManifest } from './manifest.ts'

/** A place that an image is read from. Nothing that it returns is trusted before it is verified (verified.ts). */
export interface Source {
  /** The reference, for people. */
  readonly name: string
  /** Where the blobs are in a registry, so that another repository there can mount them. */
  readonly origin?: BlobOrigin
  /**
   * The manifest that the reference names, or another one from the same place by digest.
   * @throws Failure 'not-found', 'invalid', 'unavailable', 'denied'
   */
  manifest(digest?: ContentDigest): Promise<RawManifest>
  /**
   * The bytes of a blob as stored, so possibly compressed. A piece is valid until the next is requested: whoever keeps
   * it longer has to copy it. Ending the iteration early releases its resources.
   * @throws Failure 'not-found', 'unavailable', 'denied'
   */
  blob(descriptor: Descriptor): Promise<AsyncIterable<Uint8Array>>
  /** Closes files and connections, and removes temporary files. */
  close(): Promise<void>
}

/** A repository in a registry. */
export interface BlobOrigin {
  readonly registry: string
  readonly repository: string
}

/** How a blob got to its destination. */
export type BlobOutcome = 'present' | 'mounted' | 'written'

/** A place that an image is written to. Until commit, whatever had the name before still has it. */
export interface Destination {
  readonly name: string
  /** What it can hold: any manifest, only OCI types, or one image in docker's own format. */
  readonly holds: 'any' | 'oci' | 'one-docker-image'
  /** Blobs that may be written at the same time. */
  readonly parallelMax: number
  /** Is exactly this blob there already? */
  hasBlob(descriptor: Descriptor): Promise<boolean>
  /**
   * Writes a blob.
   * @param open returns its verified bytes from the start, again for each call
   * @throws whatever reading threw; or Failure 'unavailable', 'denied', 'exhausted'. The blob does not exist then.
   */
  putBlob(descriptor: Descriptor, open: OpenBlob, origin?: BlobOrigin): Promise<BlobOutcome>
  /**
   * Writes a manifest, after everything that it references.
   * @param root true for the one that the reference should name
   */
  putManifest(raw: RawManifest, root: boolean): Promise<void>
  /** Makes it all visible. */
  commit(): Promise<void>
  /** After a failure: removes what a retry cannot use. */
  abort(): Promise<void>
}

export type OpenBlob = () => Promise<AsyncIterable<Uint8Array>>
