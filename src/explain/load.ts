import { type Digest, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'

/** Loads messages by digest, as bytes by `hash/size`; unavailable ones are left out. */
export type Load = (digests: readonly Digest[]) => Promise<ReadonlyMap<string, Uint8Array>>

/** No message that anybody wants in memory is longer. */
const messageBytesMax = 64 * 1024 * 1024

/** Is this small enough to load? */
export function loadable({ size }: Digest): boolean {
  return size <= messageBytesMax
}

/**
 * One message; undefined if it is not available.
 * @throws Failure 'invalid' for a blob that cannot be one
 */
export async function loadMessage<T>(
  load: Load,
  digest: Digest,
  type: { decode(bytes: Uint8Array): T },
  what: string,
): Promise<T | undefined> {
  const key = digestText(digest)
  if (digest.size === 0) return type.decode(new Uint8Array())
  if (!loadable(digest)) throw new Failure('invalid', `a blob of ${digest.size} bytes is not ${what}`, { where: key })
  const bytes = (await load([digest])).get(key)
  return bytes && decodeAs(type, bytes, key, what)
}

/** @throws Failure 'invalid' that says what the bytes should have been */
export function decodeAs<T>(type: { decode(bytes: Uint8Array): T }, bytes: Uint8Array, where: string, what: string): T {
  try {
    return type.decode(bytes)
  } catch (cause) {
    throw new Failure('invalid', `the blob is not ${what}`, { where, cause })
  }
}
