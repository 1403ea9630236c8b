import { Failure } from '../core/failure.ts'

/**
 * A message from the other side.
 * @param type the generated class, for instance `re.FindMissingBlobsRequest`
 * @throws Failure 'invalid' when the bytes are not such a message
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
