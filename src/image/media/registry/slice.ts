/**
 * The bytes of a stream from an offset on. Everything before is read too: only so can the whole
 * be verified. Where the part reaches the end of the stream, its end is waited for.
 * @param offset bytes to leave out
 * @param size bytes to give
 */
export async function* part(
  content: AsyncIterable<Uint8Array>,
  offset: number,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let skip = offset
  let left = size
  let held: Uint8Array | undefined
  for await (const chunk of content) {
    if (held) yield held
    held = undefined
    const wanted = chunk.subarray(Math.min(skip, chunk.byteLength)).subarray(0, left)
    skip -= Math.min(skip, chunk.byteLength)
    left -= wanted.byteLength
    if (wanted.byteLength === 0) {
      if (left === 0) return
      continue
    }
    // The last piece is given only once the stream has gone on or ended well: a registry must
    // not get a complete blob whose digest has turned out to be wrong.
    if (left === 0) held = Uint8Array.from(wanted)
    else yield wanted
  }
  if (held) yield held
}
