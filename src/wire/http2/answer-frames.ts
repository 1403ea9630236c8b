import type { Fields } from '../stream.ts'
import { encodeFields } from './hpack.ts'
import type { Output } from './output.ts'
import { prefixBytes } from './pending.ts'
import { FrameType } from './protocol.ts'

const openingFields: Fields = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
]
/** The headers of nearly every answer, encoded once. */
export const openingBlock = encodeFields(openingFields)
/** The trailers of nearly every answer. */
const okBlock = encodeFields([['grpc-status', '0']])

/** Trailers that follow headers, encoded. */
export function trailersBlock(trailers: Fields): Uint8Array {
  return trailers.length === 1 && trailers[0]?.[1] === '0' ? okBlock : encodeFields(trailers)
}

/** Headers and trailers of an answer without a message, encoded as its only block. */
export function trailersOnlyBlock(trailers: Fields): Uint8Array {
  return encodeFields([...openingFields, ...trailers])
}

/** The headers of an answer that is a line of text rather than gRPC, encoded. */
export function plainBlock(status: number): Uint8Array {
  return encodeFields([
    [':status', String(status)],
    ['content-type', 'text/plain'],
  ])
}

/** Writes a message that fits into one DATA frame. @returns the bytes of its payload */
export function writeWhole(output: Output, id: number, message: Uint8Array): number {
  const length = message.length
  output.frameHead(FrameType.DATA, 0, id, length + prefixBytes)
  output.byte(0)
  output.uint32(length)
  output.bytes(message)
  return length + prefixBytes
}
