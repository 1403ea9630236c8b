import { Failure } from '../../../core/failure.ts'
import type { ContentDigest } from '../../content-digest.ts'
import { type Descriptor, manifestBytesMax, type RawManifest } from '../../manifest.ts'
import { acceptedManifests } from '../../media-types.ts'
import { verifiedBytes, verifiedManifest } from '../../verified.ts'
import { answerBytes } from './answers.ts'
import type { HttpAnswer } from './exchange.ts'
import { asRetryable, type RetryOptions, withRetries } from './retry.ts'
import type { Session } from './session.ts'

/**
 * A manifest by tag or digest.
 * @throws Failure 'not-found', 'corrupt' when it is not the requested one, 'invalid'
 */
export function fetchManifest(
  session: Session,
  reference: string | ContentDigest,
  digest: ContentDigest | undefined,
  retry: RetryOptions,
): Promise<RawManifest> {
  const where = `${session.registry}/${session.repository}`
  return withRetries(async () => {
    const answer = await session.send({
      method: 'GET',
      url: `/v2/${session.repository}/manifests/${reference}`,
      headers: { accept: acceptedManifests.join(', ') },
      doing: `read the manifest ${reference}`,
      expected: [200],
    })
    const bytes = await answerBytes(answer, manifestBytesMax)
    const raw = verifiedManifest(bytes, answer.header('content-type'), digest, where)
    const said = answer.header('docker-content-digest')
    if (digest === undefined && !isDigestOf(said, raw))
      throw new Failure(
        'corrupt',
        `the registry says that the digest of the manifest is ${said?.slice(0, 80)}, but it is ${raw.digest}`,
        {
          where: `${where} ${reference}`,
        },
      )
    return raw
  }, retry)
}

/** Does a registry's response name this manifest? Without a digest, or with another kind, it counts as yes. */
export function isDigestOf(said: string | undefined, { digest }: RawManifest): boolean {
  return said === undefined || said === digest || !said.startsWith('sha256:')
}

/**
 * A whole small blob, verified; read again if the connection breaks.
 * @param name the place, for errors
 * @throws Failure 'exhausted', before anything is sent, when it has more than bytesMax; 'corrupt'
 */
export function fetchSmallBlob(
  session: Session,
  descriptor: Descriptor,
  bytesMax: number,
  name: string,
  retry: RetryOptions,
): Promise<Uint8Array> {
  const content = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield* (await openBlob(session, descriptor, 0, 'small')).body
  }
  return withRetries(() => verifiedBytes(content(), descriptor, bytesMax, name), retry)
}

/**
 * A blob's bytes, not verified. If the connection breaks, reading resumes where it stopped (Range), within the usual
 * number of retries.
 */
export async function fetchBlob(
  session: Session,
  descriptor: Descriptor,
  retry: RetryOptions,
): Promise<AsyncIterable<Uint8Array>> {
  // The first response arrives before anything is written, so that "not found" is known by then.
  const first = await withRetries(() => openBlob(session, descriptor, 0, 'large'), retry)
  return resumed(session, descriptor, first, retry)
}

async function* resumed(
  session: Session,
  descriptor: Descriptor,
  first: HttpAnswer,
  retry: RetryOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  let offset = 0
  let answer = first
  let failures = 0
  for (;;) {
    let skip = answer.status === 206 ? 0 : offset
    try {
      for await (const chunk of answer.body) {
        const wanted = skip === 0 ? chunk : chunk.subarray(skip)
        skip = Math.max(0, skip - chunk.byteLength)
        if (wanted.byteLength === 0) continue
        offset += wanted.byteLength
        failures = 0
        yield wanted
      }
      return
    } catch (error) {
      failures += 1
      if (!asRetryable(error) || failures > retry.times) throw error
      const at = offset
      answer = await withRetries(() => openBlob(session, descriptor, at, 'large'), retry)
    }
  }
}

async function openBlob(
  session: Session,
  descriptor: Descriptor,
  offset: number,
  size: 'small' | 'large',
): Promise<HttpAnswer> {
  const answer = await session.send({
    method: 'GET',
    url: `/v2/${session.repository}/blobs/${descriptor.digest}`,
    ...(offset > 0 ? { headers: { range: `bytes=${offset}-` } } : {}),
    doing: `read the blob ${descriptor.digest}`,
    expected: offset > 0 ? [200, 206] : [200],
    isLarge: size === 'large',
  })
  const range = answer.header('content-range')
  if (answer.status !== 206 || range?.startsWith(`bytes ${offset}-`)) return answer
  answer.discard()
  throw new Failure('corrupt', `requested a blob from byte ${offset}, but got "${range?.slice(0, 60) ?? 'no range'}"`, {
    where: `${session.registry}/${session.repository} ${descriptor.digest}`,
  })
}
