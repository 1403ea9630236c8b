import { Failure } from '../../../core/failure.ts'
import type { Descriptor } from '../../manifest.ts'
import type { BlobOutcome, OpenBlob } from '../../medium.ts'
import { asRetryable, backOff, Retryable, type RetryOptions, withRetries } from './retry.ts'
import type { Session } from './session.ts'
import { part } from './slice.ts'
import {
  askOffset,
  finishUpload,
  locationOf,
  openedUpload,
  requestUpload,
  startUpload,
  type Upload,
  UploadLost,
} from './upload-requests.ts'

/** After 413 a blob is sent in chunks of this size, unless the registry wants larger ones. */
const chunkBytesDefault = 16 * 1024 * 1024

/** Another repository of the registry that has the blob. */
export interface Mount {
  readonly from: string
  /** Called if the registry does not allow mounting from there. */
  refused(): void
}

/**
 * Pushes a blob (distribution-spec, "Pushing blobs"): mounted from another repository of the registry if that works,
 * else sent as one stream, which every registry accepts. If that breaks off, the registry is asked for its offset and
 * gets the rest from there; a blob too large for one request is sent in chunks.
 */
export async function pushBlob(
  session: Session,
  descriptor: Descriptor,
  open: OpenBlob,
  mount: Mount | undefined,
  retry: RetryOptions,
): Promise<BlobOutcome> {
  for (let restarts = 0; ; restarts += 1) {
    const upload =
      (await mountedOr(session, descriptor, mount)) ?? (await withRetries(() => startUpload(session), retry))
    if (upload === 'mounted') return upload
    try {
      await sendAll(session, descriptor, open, upload, retry)
      await withRetries(() => finishUpload(session, descriptor, upload), retry).catch((error: unknown) => {
        throw upload.isResumed && isRefusal(error) ? new UploadLost(session, error) : error
      })
      return 'written'
    } catch (error) {
      if (error instanceof SourceFailed) throw error.reason
      if (!(error instanceof UploadLost)) throw error
      if (restarts >= retry.times) throw error.failure
    }
  }
}

/** Reading the content failed: the registry is not to blame, and retrying does not help. */
class SourceFailed extends Error {
  readonly reason: unknown

  constructor(reason: unknown) {
    super('the source failed', { cause: reason })
    this.reason = reason
  }
}

/**
 * Mounts the blob, or returns the upload that the registry opens instead; undefined for any other response: then the
 * blob is sent as if there were nothing to mount.
 */
async function mountedOr(
  session: Session,
  descriptor: Descriptor,
  mount: Mount | undefined,
): Promise<Upload | 'mounted' | undefined> {
  if (!mount) return undefined
  try {
    const query = `?mount=${descriptor.digest}&from=${encodeURIComponent(mount.from)}`
    const answer = await requestUpload(session, query, mount.from)
    answer.discard()
    return answer.status === 201 ? 'mounted' : openedUpload(answer)
  } catch (error) {
    if (!(error instanceof Failure || error instanceof Retryable)) throw error
    if (error instanceof Failure && error.kind === 'cancelled') throw error
    mount.refused()
    return undefined
  }
}

async function sendAll(
  session: Session,
  descriptor: Descriptor,
  open: OpenBlob,
  upload: Upload,
  retry: RetryOptions,
): Promise<void> {
  let failures = 0
  while (upload.offset < descriptor.size) {
    const before = upload.offset
    try {
      await sendPart(session, descriptor, open, upload)
      failures = 0
    } catch (error) {
      const retryable = asRetryable(error)
      if (isTooLarge(error) && upload.chunkBytesMax === Number.POSITIVE_INFINITY)
        upload.chunkBytesMax = Math.max(chunkBytesDefault, upload.chunkBytesMin)
      else if (!isOutOfRange(error) && !retryable) throw error
      if (failures >= Math.max(1, retry.times)) throw retryable?.failure ?? error
      if (retryable) await backOff(retryable, failures, retry)
      failures += 1
      // The registry may have kept a part of the interrupted upload.
      await withRetries(() => askOffset(session, descriptor, upload), retry)
      if (upload.offset > before) failures = 0
    }
  }
}

async function sendPart(session: Session, descriptor: Descriptor, open: OpenBlob, upload: Upload): Promise<void> {
  const { offset } = upload
  const size = Math.min(descriptor.size - offset, upload.chunkBytesMax)
  const isWhole = offset === 0 && size === descriptor.size
  const answer = await session.send({
    method: 'PATCH',
    url: upload.location,
    headers: {
      'content-type': 'application/octet-stream',
      // Inclusive, and without "bytes": distribution-spec, "Pushing a blob in chunks".
      ...(isWhole ? {} : { 'content-range': `${offset}-${offset + size - 1}` }),
    },
    body: { size, open: () => openPart(open, offset, size) },
    isLarge: true,
    doing: `push the blob ${descriptor.digest}`,
    expected: [201, 202, 204, 404],
  })
  answer.discard()
  if (answer.status === 404) throw new UploadLost(session)
  upload.location = locationOf(answer, upload.location)
  // It has everything that it acknowledged, whatever its Range says: some count one too many there, others this part
  // only.
  upload.offset = offset + size
}

async function openPart(open: OpenBlob, offset: number, size: number): Promise<AsyncIterable<Uint8Array>> {
  const content = await open().catch((error: unknown) => {
    throw new SourceFailed(error)
  })
  return ofSource(part(content, offset, size))
}

async function* ofSource(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* content
  } catch (error) {
    throw new SourceFailed(error)
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Failure && error.kind === 'exhausted'
}

/** Did it reject the bytes, as it does when they do not match the digest? */
function isRefusal(error: unknown): error is Failure {
  return error instanceof Failure && (error.kind === 'precondition' || error.kind === 'out-of-range')
}

function isOutOfRange(error: unknown): boolean {
  return error instanceof Failure && error.kind === 'out-of-range'
}
