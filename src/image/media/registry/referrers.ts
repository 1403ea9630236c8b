import { Failure } from '../../../core/failure.ts'
import { type ContentDigest, hexOf } from '../../content-digest.ts'
import { type Descriptor, manifestBytesMax, parseManifest, rawManifest } from '../../manifest.ts'
import { ociIndex } from '../../media-types.ts'
import { answerBytes } from './answers.ts'
import type { HttpAnswer } from './exchange.ts'
import { nextPage } from './next-page.ts'
import { fetchManifest } from './pull.ts'
import { type RetryOptions, withRetries } from './retry.ts'
import type { Session } from './session.ts'

/** Referrers of one manifest that are read; more is somebody's attack on whoever verifies. */
const referrersMax = 1024
const pagesMax = 32
/**
 * Registries without a referrers API answer 404, as the specification has it, or refuse in some other way what they
 * take for the name of a repository, for a method or for a type. A login or a right that is missing, and what may go
 * away, is none of these: what may not be listed now may be there.
 */
function isWithoutApi(status: number): boolean {
  return status === 501 || (status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status))
}

/**
 * What refers to a manifest (signatures, attestations): the referrers API, all its pages, or
 * where there is none the fallback tag (distribution-spec, "Listing Referrers").
 * @throws Failure 'exhausted' for more than 1024, 'unavailable' when only a part is listed
 */
export async function fetchReferrers(
  session: Session,
  digest: ContentDigest,
  retry: RetryOptions,
): Promise<readonly Descriptor[]> {
  const found: Descriptor[] = []
  let url: string | undefined = `/v2/${session.repository}/referrers/${digest}`
  for (let pages = 0; url !== undefined; pages += 1) {
    const at: string = url
    const page = await withRetries(() => askPage(session, at, digest), retry)
    if (!page && pages === 0) return fallbackReferrers(session, digest, retry)
    if (!page) throw lostPage(session, digest)
    found.push(...page.manifests)
    if (found.length > referrersMax || pages === pagesMax) throw tooMany(session, digest)
    url = page.next
  }
  return found
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

/** One page of the list, and where the next is; nothing where there is no such API. */
async function askPage(
  session: Session,
  url: string,
  digest: ContentDigest,
): Promise<{ manifests: readonly Descriptor[]; next: string | undefined } | undefined> {
  const answer = await session.send({
    method: 'GET',
    url,
    headers: { accept: ociIndex },
    doing: `list what refers to ${digest}`,
    expected: (status) => status === 200 || isWithoutApi(status),
    // ghcr.io sends on to a page of github.com that soon says 429 (artifacthub/hub#4785).
    staysOnHost: true,
  })
  // Whoever answers every path with some page of his own has no such API either.
  if (answer.status !== 200 || !isIndex(answer)) return void answer.discard()
  const where = `${session.registry}/${session.repository} ${digest}`
  const index = parseManifest(rawManifest(await answerBytes(answer, manifestBytesMax), ociIndex, where), where)
  if (index.kind !== 'index') throw new Failure('invalid', 'the list of referrers is not an index', { where })
  return { manifests: index.manifests, next: nextPage(answer) }
}

function isIndex(answer: HttpAnswer): boolean {
  return answer.header('content-type')?.split(';')[0]?.trim().toLowerCase() === ociIndex
}

function tooMany(session: Session, digest: ContentDigest): Failure {
  return new Failure('exhausted', `more than ${referrersMax} manifests refer to ${digest}`, {
    where: `${session.registry}/${session.repository}`,
  })
}

function lostPage(session: Session, digest: ContentDigest): Failure {
  return new Failure('unavailable', `the registry lists only some of the manifests that refer to ${digest}`, {
    where: `${session.registry}/${session.repository}`,
    next: ['Try again.'],
  })
}
