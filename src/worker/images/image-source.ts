/** Finds the images that actions name; how they are fetched is not the worker's concern. */
export interface ImageSource {
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
  /**
   * Unpacks its files into an empty folder.
   * @param bytesMax their maximum size
   * @throws Failure, of whatever kind
   */
  unpack(folder: string, bytesMax: number): Promise<UnpackedImage>
  close(): Promise<void>
}

export interface UnpackedImage {
  readonly bytes: number
  /** `NAME=value`, as the image sets them. */
  readonly environment: readonly string[]
}
