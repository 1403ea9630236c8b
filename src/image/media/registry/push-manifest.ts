import { Failure } from '../../../core/failure.ts'
import type { ContentDigest } from '../../content-digest.ts'
import { type Descriptor, descriptorOf, parseManifest, type RawManifest, serializeManifest } from '../../manifest.ts'
import { ociIndex } from '../../media-types.ts'
import { onePiece } from '../../pieces.ts'
import { isDigestOf } from './pull.ts'
import { fallbackReferrers, referrersTag } from './referrers.ts'
import { type RetryOptions, withRetries } from './retry.ts'
import type { Session } from './session.ts'

/**
 * Pushes a manifest under a tag or its digest. One that has a subject is entered in the
 * subject's fallback index where the registry does not keep referrers itself
 * (distribution-spec, "Pushing Manifests with Subject").
 * @throws Failure 'corrupt' when the registry answers with another digest
 */
export async function pushManifest(
  session: Session,
  raw: RawManifest,
  reference: string,
  retry: RetryOptions,
): Promise<void> {
  const doing = `push the manifest ${reference}`
  const answer = await withRetries(
    () =>
      session.send({
        method: 'PUT',
        url: `/v2/${session.repository}/manifests/${reference}`,
        headers: { 'content-type': raw.mediaType },
        body: { size: raw.bytes.byteLength, open: async () => onePiece(raw.bytes) },
        doing,
        expected: [200, 201, 202],
      }),
    retry,
  )
  answer.discard()
  const said = answer.header('docker-content-digest')
  const where = `${session.registry}/${session.repository}`
  if (!isDigestOf(said, raw))
    throw new Failure('corrupt', `the registry stored ${said?.slice(0, 80)}, but ${raw.digest} was sent`, { where })
  const parsed = parseManifest(raw, where)
  if (parsed.subject && answer.header('oci-subject') === undefined)
    await enterReferrer(session, parsed.subject.digest, referrerOf(raw, where), retry)
}

function referrerOf(raw: RawManifest, where: string): Descriptor {
  const parsed = parseManifest(raw, where)
  const artifactType = parsed.artifactType ?? (parsed.kind === 'manifest' ? parsed.config.mediaType : undefined)
  const extra = {
    ...(artifactType ? { artifactType } : {}),
    ...(parsed.annotations ? { annotations: parsed.annotations } : {}),
  }
  return { ...descriptorOf(raw), ...extra }
}

async function enterReferrer(
  session: Session,
  subject: ContentDigest,
  entry: Descriptor,
  retry: RetryOptions,
): Promise<void> {
  const before = await fallbackReferrers(session, subject, retry)
  if (before.some((each) => each.digest === entry.digest)) return
  const manifests = [...before, entry]
  const index = serializeManifest({ schemaVersion: 2, mediaType: ociIndex, manifests }, ociIndex)
  parseManifest(index, 'the fallback index')
  await pushManifest(session, index, referrersTag(subject), retry)
}
