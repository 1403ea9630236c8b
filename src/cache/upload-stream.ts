import { randomUUID } from 'node:crypto'
import type { Digest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import type { Uploads } from './uploads.ts'

/**
 * Stores what comes in pieces as an upload that cannot be resumed: it counts as one, and gives way as one when it
 * stands still.
 * @param kind whose upload it is, for its name among the others
 * @param client the connection that it counts as
 * @throws Failure 'invalid' when the bytes are not the digest's; what the pieces throw
 */
export async function storeStream(
  uploads: Uploads,
  kind: string,
  client: string,
  digest: Digest,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  const upload = await uploads.claim(`${kind}/${randomUUID()}`, digest, 0, client)
  if (!upload) throw new Failure('unavailable', 'the upload was taken over by another', { where: digest.hash })
  try {
    for await (const piece of pieces) await upload.write(piece)
    await upload.commit()
  } catch (error) {
    await upload.drop()
    throw error
  }
}
