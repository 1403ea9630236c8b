import { once } from 'node:events'
import type { Transform } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import type { Compression } from './media-types.ts'

/**
 * What compressed bytes expand to. A piece of the content is given back only when it has been
 * expanded, as pieces ask for (medium.ts).
 * @throws what the content throws; zlib's own error for bytes that are no whole stream
 */
export async function* expanded(
  content: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (compression === 'none') return yield* content
  const expander: Transform = compression === 'gzip' ? createGunzip() : createZstdDecompress()
  const fed = feed(content, expander)
  try {
    yield* expander
  } finally {
    expander.destroy()
    await fed
  }
}

/** Ends well in any case: what went wrong is thrown to whoever reads the expander. */
async function feed(content: AsyncIterable<Uint8Array>, expander: Transform): Promise<void> {
  try {
    for await (const piece of content) {
      if (!(await taken(expander, piece))) return
    }
    expander.end()
  } catch (error) {
    expander.destroy(error instanceof Error ? error : undefined)
  }
}

/** Waits until a piece has been expanded; false when nobody wants more. */
async function taken(expander: Transform, piece: Uint8Array): Promise<boolean> {
  if (expander.destroyed) return false
  const gone = new AbortController()
  const written = new Promise<void>((resolve) => expander.write(piece, () => resolve()))
  await Promise.race([written, once(expander, 'close', { signal: gone.signal }).catch(() => undefined)])
  gone.abort()
  return !expander.destroyed
}
