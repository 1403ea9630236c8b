import { messageBytesMax } from '../core/limits.ts'

/** Of a response, in bytes: by default a client accepts no more, message headers included. */
export const answerBytesMax = messageBytesMax - 64 * 1024

/**
 * A list as one response, with as many items as fit, at least one. Concatenated protobuf messages merge their lists, so
 * each item is encoded once.
 * @param answerOf a response with only this item
 * @param more what is added to a response that ends early
 */
export function listAnswer<Item>(
  items: Iterable<Item>,
  answerOf: (item: Item) => Uint8Array,
  more: Uint8Array,
): Uint8Array {
  const parts: Uint8Array[] = []
  let bytes = 0
  for (const item of items) {
    const part = answerOf(item)
    if (parts.length > 0 && bytes + part.length > answerBytesMax) {
      parts.push(more)
      break
    }
    parts.push(part)
    bytes += part.length
  }
  return Buffer.concat(parts)
}
