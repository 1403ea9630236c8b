/** Cuts a blob whose bytes come in pieces. */
export interface Chunker {
  /**
   * Takes the next bytes of the blob.
   * @returns the chunks that are known now, which may begin in earlier pieces: each is good until the next is asked
   *   for, and all of them have to be
   */
  take(piece: Uint8Array): Iterable<Uint8Array>
}
