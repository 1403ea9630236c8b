import { Failure } from '../../../core/failure.ts'
import { type ContentDigest, contentDigestOf, hexOf } from '../../content-digest.ts'
import { type Descriptor, manifestBytesMax, parseManifest, type RawManifest, rawManifest } from '../../manifest.ts'
import { acceptedManifests, ociIndex } from '../../media-types.ts'
import { verifiedManifest } from '../../verified.ts'
import { answerBytes } from './answers.ts'
import type { HttpAnswer } from './http.ts'
import { asRetryable, type RetryOptions, withRetries } from './retry.ts'
import type { Session } from './session.ts'

/** Referrers of one manifest that are read; more is somebody's attack on whoever verifies. */
const referrersMax = 1024
const pagesMax = 32

/**
 * A manifest by tag or digest.
 * @throws Failure 'not-found', 'corrupt' when it is another one than was asked for, 'invalid'
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
    if (digest === undefined && said?.startsWith('sha256:') && said !== raw.digest)
      throw new Failure(
        'corrupt',
        `the registry says that the manifest is ${said.slice(0, 80)}, its bytes are ${raw.digest}`,
        {
          where: `${where} ${reference}`,
        },
      )
    return raw
  }, retry)
}

/**
 * A blob's bytes, not verified. When the connection breaks in the middle, reading goes on
 * where it stopped (Range), as often as anything is tried again.
 */
export async function fetchBlob(
  session: Session,
  descriptor: Descriptor,
  retry: RetryOptions,
): Promise<AsyncIterable<Uint8Array>> {
  // The first answer comes before anything is written, so that "not there" is known then.
  const first = await withRetries(() => openBlob(session, descriptor, 0), retry)
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
      answer = await withRetries(() => openBlob(session, descriptor, at), retry)
    }
  }
}

async function openBlob(session: Session, descriptor: Descriptor, offset: number): Promise<HttpAnswer> {
  const answer = await session.send({
    method: 'GET',
    url: `/v2/${session.repository}/blobs/${descriptor.digest}`,
    ...(offset > 0 ? { headers: { range: `bytes=${offset}-` } } : {}),
    doing: `read the blob ${descriptor.digest}`,
    expected: offset > 0 ? [200, 206] : [200],
  })
  const range = answer.header('content-range')
  if (answer.status !== 206 || range?.startsWith(`bytes ${offset}-`)) return answer
  answer.discard()
  throw new Failure('corrupt', `asked for a blob from byte ${offset}, got "${range?.slice(0, 60) ?? 'no range'}"`, {
    where: `${session.registry}/${session.repository} ${descriptor.digest}`,
  })
}

/**
 * What refers to a manifest (signatures, attestations): the referrers API, all its pages, or
 * where there is none the fallback tag (distribution-spec, "Listing Referrers").
 * @param artifactType only those; asked of the server and checked here, as it may not filter
 * @throws Failure 'exhausted' for more than 1024
 */
export async function fetchReferrers(
  session: Session,
  digest: ContentDigest,
  artifactType: string | undefined,
  retry: RetryOptions,
): Promise<readonly Descriptor[]> {
  const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`
  let url: string | undefined = `/v2/${session.repository}/referrers/${digest}${query}`
  const found: Descriptor[] = []
  for (let page = 0; url !== undefined; page += 1) {
    if (page >= pagesMax || found.length > referrersMax) throw tooMany(session, digest)
    const part = await referrersPage(session, url, digest, retry)
    if (!part) return filtered(await fallbackReferrers(session, digest, retry), artifactType)
    found.push(...part.manifests)
    url = part.next
  }
  return filtered(found, artifactType)
}

/** The tag that stands in for the referrers API: `sha256-<hex>`, at most 128 characters. */
export function referrersTag(digest: ContentDigest): string {
  return `${digest.slice(0, digest.indexOf(':'))}-${hexOf(digest)}`.slice(0, 128)
}

/** The index under the fallback tag, or nothing. */
export async function fallbackReferrers(
  session: Session,
  digest: ContentDigest,
  retry: RetryOptions,
): Promise<readonly Descriptor[]> {
  try {
    const raw = await fetchManifest(session, referrersTag(digest), undefined, retry)
    const index = parseManifest(raw, `${session.registry}/${session.repository}:${referrersTag(digest)}`)
    if (index.kind !== 'index') return []
    if (index.manifests.length > referrersMax) throw tooMany(session, digest)
    return index.manifests
  } catch (error) {
    if (error instanceof Failure && error.kind === 'not-found') return []
    throw error
  }
}

async function referrersPage(
  session: Session,
  url: string,
  digest: ContentDigest,
  retry: RetryOptions,
): Promise<{ manifests: readonly Descriptor[]; next: string | undefined } | undefined> {
  return withRetries(async () => {
    const doing = `list what refers to ${digest}`
    // Old registries answer 404 for the path; some 400 or 405 for what they take for a name.
    const answer = await session.send({
      method: 'GET',
      url,
      headers: { accept: ociIndex },
      doing,
      expected: [200, 400, 404, 405],
    })
    if (answer.status !== 200) return void answer.discard()
    const where = `${session.registry}/${session.repository} ${digest}`
    const raw = rawManifest(await answerBytes(answer, manifestBytesMax), answer.header('content-type'), where)
    const index = parseManifest(raw, where)
    if (index.kind !== 'index') throw new Failure('invalid', 'the list of referrers is no index', { where })
    return { manifests: index.manifests, next: nextPage(answer) }
  }, retry)
}

/** RFC 8288: `<url>; rel="next"`; a page on another host is none. */
function nextPage(answer: HttpAnswer): string | undefined {
  const match = /<([^>]{1,4096})>\s*;\s*rel="?next"?/.exec(answer.header('link') ?? '')
  if (!match?.[1] || !URL.canParse(match[1], answer.url)) return undefined
  const url = new URL(match[1], answer.url)
  return url.origin === answer.url.origin ? url.href : undefined
}

function filtered(all: readonly Descriptor[], artifactType: string | undefined): readonly Descriptor[] {
  return artifactType === undefined ? all : all.filter((each) => each.artifactType === artifactType)
}

function tooMany(session: Session, digest: ContentDigest): Failure {
  return new Failure('exhausted', `more than ${referrersMax} manifests refer to ${digest}`, {
    where: `${session.registry}/${session.repository}`,
  })
}

/** Does the registry's answer name these bytes? */
export function isDigestOf(said: string | undefined, raw: RawManifest): boolean {
  return said === undefined || said === raw.digest || !said.startsWith('sha256:') || said === contentDigestOf(raw.bytes)
}
