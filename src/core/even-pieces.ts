/**
 * Cuts a stream into pieces of a buffer's length; the last may be shorter. Each piece is a view of that buffer, valid
 * only until the next one is requested.
 */
export async function* evenPieces(chunks: AsyncIterable<Buffer>, piece: Buffer): AsyncGenerator<Buffer> {
  let filled = 0
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.copy(piece, filled, at)
      at += taken
      filled += taken
      if (filled < piece.length) continue
      yield piece
      filled = 0
    }
  if (filled > 0) yield piece.subarray(0, filled)
}
