import { messageBytesMax } from '../core/limits.ts'

/** Of an answer, in bytes: a client that says nothing else takes no more, headers of the message included. */
export const answerBytesMax = messageBytesMax - 64 * 1024

/**
 * A list as one answer, with as many of its items as fit, and one at least. Messages that follow each other are one
 * message whose lists have the items of all: each item is encoded once.
 * @param answerOf an answer with this item alone
 * @param more what is added to an answer that ends early
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
