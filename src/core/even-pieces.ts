/**
 * Cuts a stream into pieces as long as a buffer, the last one shorter. Each lies in that buffer: it is only good until the
 * next one is asked for.
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
