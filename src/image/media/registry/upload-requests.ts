import { Failure } from '../../../core/failure.ts'
import type { Descriptor } from '../../manifest.ts'
import type { HttpAnswer } from './exchange.ts'
import type { Session } from './session.ts'

/** An upload that the registry has opened. */
export interface Upload {
  /** Target of the next request; each response may change it. */
  location: URL
  /** Bytes that the registry has received. */
  offset: number
  /** The registry was asked for its offset: some count wrongly. */
  isResumed: boolean
  chunkBytesMax: number
  readonly chunkBytesMin: number
}

/** The registry no longer knows the upload: it has to start over. */
export class UploadLost extends Error {
  readonly failure: Failure

  constructor(session: Session, refusal?: Failure) {
    super('the upload was lost')
    this.failure =
      refusal ??
      new Failure('unavailable', 'the registry forgot an upload in progress', {
        where: `${session.registry}/${session.repository}`,
      })
  }
}

/** Opens an upload. */
export async function startUpload(session: Session): Promise<Upload> {
  const answer = await requestUpload(session, '', undefined)
  answer.discard()
  return openedUpload(answer)
}

/**
 * Requests an upload, or a mount from another repository.
 * @param query of the request; '' for an upload
 */
export function requestUpload(session: Session, query: string, from: string | undefined): Promise<HttpAnswer> {
  return session.send({
    method: 'POST',
    url: `/v2/${session.repository}/blobs/uploads/${query}`,
    doing: `push a blob to ${session.repository}`,
    expected: from === undefined ? [202] : [201, 202],
    ...(from === undefined ? {} : { from }),
  })
}

/** The upload that an answer has opened. */
export function openedUpload(answer: HttpAnswer): Upload {
  const least = Number(answer.header('oci-chunk-min-length') ?? 0)
  return {
    location: locationOf(answer, undefined),
    offset: 0,
    isResumed: false,
    chunkBytesMax: Number.POSITIVE_INFINITY,
    chunkBytesMin: Number.isSafeInteger(least) && least > 0 ? least : 0,
  }
}

/** Where to resume (distribution-spec, "Resuming a push"). */
export async function askOffset(session: Session, descriptor: Descriptor, upload: Upload): Promise<void> {
  const answer = await session.send({
    method: 'GET',
    url: upload.location,
    doing: `ask how much of ${descriptor.digest} was uploaded`,
    expected: [200, 202, 204, 404],
  })
  answer.discard()
  if (answer.status === 404) throw new UploadLost(session)
  upload.location = locationOf(answer, upload.location)
  upload.offset = offsetOf(answer) ?? 0
  upload.isResumed = true
  if (upload.offset > descriptor.size) throw new UploadLost(session, lying(session, descriptor))
}

/** Completes an upload: from here on the registry has the blob. */
export async function finishUpload(session: Session, descriptor: Descriptor, upload: Upload): Promise<void> {
  const url = new URL(upload.location)
  // The URL's own query is the registry's state and must stay unchanged.
  url.search = `${url.search}${url.search === '' ? '?' : '&'}digest=${encodeURIComponent(descriptor.digest)}`
  const answer = await session.send({
    method: 'PUT',
    url,
    doing: `finish the upload of the blob ${descriptor.digest}`,
    expected: [201, 204, 404],
  })
  answer.discard()
  if (answer.status === 404) throw new UploadLost(session)
}

/** Target of the next request; `before` if the response does not say. */
export function locationOf(answer: HttpAnswer, before: URL | undefined): URL {
  const location = answer.header('location')
  if (location !== undefined && URL.canParse(location, answer.url)) return new URL(location, answer.url)
  if (before) return before
  throw new Failure('invalid', 'the registry started an upload without saying where', { where: answer.url.host })
}

/** `Range: 0-N` is inclusive. `0-0` is ambiguous: registries send it for no byte and for one. */
function offsetOf(answer: HttpAnswer): number | undefined {
  const last = Number(/^(?:bytes=)?0-(\d{1,15})$/.exec(answer.header('range') ?? '')?.[1] ?? 0)
  return last === 0 ? undefined : last + 1
}

function lying(session: Session, descriptor: Descriptor): Failure {
  return new Failure('invalid', `the registry claims to have more bytes of ${descriptor.digest} than were sent`, {
    where: `${session.registry}/${session.repository}`,
  })
}
