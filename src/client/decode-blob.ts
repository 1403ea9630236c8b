import { type Digest, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'

/**
 * Decodes a message from its blob.
 * @param type the generated class, for example `re.Directory`
 * @throws Failure 'invalid' if the blob is no such message
 */
export function decodeBlob<Message>(
  type: { readonly name: string; decode(bytes: Uint8Array): Message },
  digest: Digest,
  bytes: Uint8Array,
): Message {
  try {
    return type.decode(bytes)
  } catch (cause) {
    throw new Failure('invalid', `a blob that should be a ${type.name} cannot be decoded as one`, {
      where: digestText(digest),
      cause,
    })
  }
}
