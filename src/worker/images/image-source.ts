/** Finds the images that actions name; how they are fetched is not the worker's concern. */
export interface ImageSource {
  /** `find` also decides whether a reference may be used: no image is used by a reference that was not found so. */
  readonly verifies: boolean
  /**
   * Checks that this is a reference to an image, in a registry that this deployment lets actions use.
   * @throws Failure 'invalid' for anything but a reference, 'precondition' for a registry that is not allowed
   */
  check(reference: string): void
  /**
   * What a reference currently resolves to.
   * @throws Failure, of whatever kind, when it cannot be obtained
   */
  find(reference: string, signal: AbortSignal): Promise<FoundImage>
}

/** An image that was found. */
export interface FoundImage {
  /** The manifest's digest, `sha256:...`: identical for identical files. */
  readonly digest: string
  /** What to find it by again, if not by that: the digest of an index that was signed. */
  readonly pin?: string | undefined
  /**
   * Unpacks its files into an empty folder.
   * @param layers the worker's layers: those that are not there yet are stored
   * @param bytesMax the maximum size of all its files
   * @throws Failure, of whatever kind
   */
  unpack(folder: string, layers: LayerPlace, bytesMax: number): Promise<UnpackedImage>
  close(): Promise<void>
}

/** Where an image that is being unpacked finds layers that others have, too, and leaves its own. */
export interface LayerPlace {
  /**
   * A layer; it stays for as long as the image does. Of several who ask for the same one, one stores it.
   * @param diffId the digest of the layer's content
   * @param store called with an empty folder; returns how many bytes it has filled
   * @throws what `store` throws; the signal's reason
   */
  get(diffId: string, store: (folder: string) => Promise<number>, signal: AbortSignal): Promise<StoredLayer>
}

/** A layer on this machine. */
export interface StoredLayer {
  /** Its files are shared: they may be linked, and nobody changes them. */
  readonly folder: string
  /** What it takes on disk. */
  readonly bytes: number
}

export interface UnpackedImage {
  /** What its folder takes on disk beside the layers. */
  readonly bytes: number
  /** `NAME=value`, as the image sets them. */
  readonly environment: readonly string[]
}
