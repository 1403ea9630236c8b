import { Failure } from '../core/failure.ts'

/**
 * Decodes a message from the peer.
 * @param type the generated class, for example `re.FindMissingBlobsRequest`
 * @throws Failure 'invalid' if the bytes are not such a message
 */
export function decodeMessage<Message>(
  type: { readonly name: string; decode(bytes: Uint8Array): Message },
  bytes: Uint8Array,
): Message {
  try {
    return type.decode(bytes)
  } catch (error) {
    throw new Failure('invalid', `malformed message: the bytes cannot be decoded as ${type.name}`, { cause: error })
  }
}
