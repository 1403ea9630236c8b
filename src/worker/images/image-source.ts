/** Finds the images that actions name; what fetches them is not the worker's matter. */
export interface ImageSource {
  /**
   * Is this a reference to an image, in a place that this deployment lets actions name?
   * @throws Failure 'invalid' for what is not a reference, 'precondition' for a place that is not allowed
   */
  check(reference: string): void
  /**
   * What a reference stands for now.
   * @throws Failure, of whatever kind, when it cannot be had
   */
  find(reference: string, signal: AbortSignal): Promise<FoundImage>
}

/** An image that is there. */
export interface FoundImage {
  /** Of its manifest, `sha256:...`: the same for the same files. */
  readonly digest: string
  /**
   * Writes its files into an empty folder.
   * @param bytesMax what they may take
   * @throws Failure, of whatever kind
   */
  unpack(folder: string, bytesMax: number): Promise<UnpackedImage>
  close(): Promise<void>
}

export interface UnpackedImage {
  readonly bytes: number
  /** `NAME=value`, as the image has them. */
  readonly environment: readonly string[]
}
