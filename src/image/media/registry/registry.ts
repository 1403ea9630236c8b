import type { Clock } from '../../../core/clock.ts'
import { Failure } from '../../../core/failure.ts'
import { findLogin, type LoginPlaces } from '../../auth.ts'
import type { ContentDigest } from '../../content-digest.ts'
import type { Descriptor, RawManifest } from '../../manifest.ts'
import { rawManifest } from '../../manifest.ts'
import type { BlobOrigin, Destination, OpenBlob, Source } from '../../medium.ts'
import { type ImageName, imageNameText } from '../../name.ts'
import { trustedCertificates } from '../../network/certificates.ts'
import { openHttp } from './http.ts'
import { openKnownBlobs } from './known-blobs.ts'
import { fetchBlob, fetchManifest, fetchSmallBlob } from './pull.ts'
import { pushManifest } from './push-manifest.ts'
import { fetchReferrers } from './referrers.ts'
import { type RetryOptions, withRetries } from './retry.ts'
import { openSession, type Session } from './session.ts'
import { fetchTags } from './tags.ts'
import { pushBlob } from './upload.ts'

export interface RegistryOptions {
  /** False accepts any certificate, and plain HTTP. */
  readonly tlsVerify: boolean
  /** The flag of the command that says so, for errors. */
  readonly tlsFlag?: string | undefined
  readonly login: LoginPlaces
  /** Number of retries of transient failures. */
  readonly retryTimes: number
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Receives a line about why nothing happens for longer than a moment. */
  readonly tell?: ((text: string) => void) | undefined
  /** Milliseconds of silence after which an exchange is given up. */
  readonly idleMsMax?: number
  /** Time limit in milliseconds for a complete manifest, small blob or other short response. */
  readonly wholeMsMax?: number
  /** The folder that records which blobs a registry has; if absent, nothing is recorded. */
  readonly cacheFolder?: string | undefined
}

/** One repository, for reading: what copying and signature verification need. */
export interface RegistryReader extends Source {
  /**
   * The manifest under a tag, or by digest.
   * @throws Failure 'not-found', 'denied', 'unavailable', 'corrupt', 'invalid'
   */
  manifestOf(reference: { readonly tag: string } | { readonly digest: ContentDigest }): Promise<RawManifest>
  /** What refers to a manifest, of whatever type. @throws Failure 'exhausted' for more than 1024 */
  referrers(digest: ContentDigest): Promise<readonly Descriptor[]>
  /** All tags of the repository. @throws Failure 'not-found', 'exhausted' for more than a million */
  tags(): Promise<readonly string[]>
  /** A small blob, verified. @throws Failure 'exhausted' when it has more than bytesMax, 'corrupt' */
  blobBytes(descriptor: Descriptor, bytesMax: number): Promise<Uint8Array>
}

const idleMsDefault = 120_000
/** An attestation of 32 MiB at half a megabit a second. */
const wholeMsDefault = 600_000
const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/

/** Opens an image in a registry for reading; nothing is sent before the first request. */
export async function openRegistryReader(image: ImageName, options: RegistryOptions): Promise<RegistryReader> {
  const { session, retry, close } = await connect(image, 'pull', options)
  const name = `docker://${imageNameText(image)}`
  return {
    name,
    origin: { registry: image.registry, repository: image.repository },
    manifest(digest = image.digest) {
      return fetchManifest(session, digest ?? image.tag ?? 'latest', digest, retry)
    },
    manifestOf(reference) {
      if ('digest' in reference) return fetchManifest(session, reference.digest, reference.digest, retry)
      return fetchManifest(session, reference.tag, undefined, retry)
    },
    blob: (descriptor) => fetchBlob(session, descriptor, retry),
    referrers: (digest) => fetchReferrers(session, digest, retry),
    tags: () => fetchTags(session, retry),
    blobBytes: (descriptor, bytesMax) => fetchSmallBlob(session, descriptor, bytesMax, name, retry),
    close,
  }
}

/**
 * Opens an image in a registry for writing.
 * @throws Failure 'invalid' for a digest that is to be written under a tag it does not have
 */
export async function openRegistryDestination(image: ImageName, options: RegistryOptions): Promise<Destination> {
  const { session, retry, close } = await connect(image, 'pull,push', options)
  const known = await openKnownBlobs(options.cacheFolder, image.registry)
  const ended = async (): Promise<void> => {
    await known.keep()
    await close()
  }
  /** Repositories from which the registry allows no mount: it would refuse each blob. */
  const closed = new Set<string>()
  /** Blobs that the registry claims to have mounted, and how to read them in case it has not. */
  const mounted = new Map<ContentDigest, { readonly descriptor: Descriptor; readonly open: OpenBlob }>()
  /** A repository of the registry to mount the blob from: the source, or one where it was seen before. */
  const nearby = (digest: ContentDigest, origin: BlobOrigin | undefined): string | undefined => {
    const repository = origin?.registry === image.registry ? origin.repository : known.repositoryOf(digest)
    return repository === image.repository || closed.has(repository ?? '') ? undefined : repository
  }
  /** An optimisation must not make a push fail. @returns false if nothing was mounted */
  const sendMounted = async (): Promise<boolean> => {
    const blobs = [...mounted.values()]
    mounted.clear()
    for (const { descriptor, open } of blobs) await pushBlob(session, descriptor, open, undefined, retry)
    return blobs.length > 0
  }
  return {
    name: `docker://${imageNameText(image)}`,
    holds: 'any',
    parallelMax: 6,
    async hasBlob(descriptor) {
      const isThere = await withRetries(() => headBlob(session, descriptor), retry)
      if (isThere) known.saw(descriptor.digest, image.repository)
      return isThere
    },
    async putBlob(descriptor, open, origin) {
      const from = nearby(descriptor.digest, origin)
      const mount = from === undefined ? undefined : { from, refused: () => closed.add(from) }
      const outcome = await pushBlob(session, descriptor, open, mount, retry)
      if (outcome === 'mounted') mounted.set(descriptor.digest, { descriptor, open })
      known.saw(descriptor.digest, image.repository)
      return outcome
    },
    async putManifest(raw, isRoot) {
      if (isRoot && image.digest !== undefined && image.digest !== raw.digest)
        throw new Failure(
          'invalid',
          `the digest of the image is ${raw.digest}, not the one in the name of the destination`,
          {
            where: imageNameText(image),
          },
        )
      // With a digest, which determines the image, the tag is only where it goes.
      const isTagged = isRoot && (image.tag !== undefined || image.digest === undefined)
      const reference = isTagged ? (image.tag ?? 'latest') : raw.digest
      const push = () =>
        pushManifest(session, rawManifest(raw.bytes, raw.mediaType, image.repository), reference, retry)
      await push().catch(async (error: unknown) => {
        if (!isRefusal(error) || !(await sendMounted())) throw error
        await push()
      })
    },
    commit: ended,
    // What was sent before the failure is there, and a retry may go to another repository.
    abort: ended,
  }
}

/** Did the registry reject what it got, as it does when one of its blobs is missing? */
function isRefusal(error: unknown): boolean {
  return error instanceof Failure && (error.kind === 'precondition' || error.kind === 'not-found')
}

/** HEAD before push: does the blob exist, with the right size? */
async function headBlob(session: Session, descriptor: Descriptor): Promise<boolean> {
  const answer = await session
    .send({
      method: 'HEAD',
      url: `/v2/${session.repository}/blobs/${descriptor.digest}`,
      doing: `look for the blob ${descriptor.digest}`,
      // It only redirects to its storage for what exists; the storage may not support HEAD. After any other response
      // the blob is pushed, which will show what is wrong, if anything is.
      expected: (status) => ![301, 303, 308, 401, 429].includes(status),
    })
    .catch((error: unknown) => {
      if (error instanceof Failure && error.kind === 'denied') return undefined
      throw error
    })
  if (!answer) return false
  answer.discard()
  if (answer.status > 200 && answer.status < 400) return true
  const length = answer.header('content-length')
  return answer.status === 200 && (length === undefined || Number(length) === descriptor.size)
}

async function connect(
  image: ImageName,
  actions: 'pull' | 'pull,push',
  options: RegistryOptions,
): Promise<{ session: Session; retry: RetryOptions; close: () => Promise<void> }> {
  const { registry, repository } = image
  const ca = await trustedCertificates(registry, options.login)
  const http = openHttp({
    tlsVerify: options.tlsVerify,
    tlsFlag: options.tlsFlag,
    idleMsMax: options.idleMsMax ?? idleMsDefault,
    wholeMsMax: options.wholeMsMax ?? wholeMsDefault,
    env: options.login.env,
    ...(ca === undefined ? {} : { ca }),
  })
  const session = openSession({
    origin: { registry, repository },
    actions,
    exchange: http.exchange,
    // As with docker, a registry on this machine may speak plain HTTP. Nobody can intercept that, so it is tried first:
    // TLS is slow to load and to be refused.
    plain: loopback.test(registry) ? 'first' : options.tlsVerify ? 'never' : 'second',
    tlsFlag: options.tlsFlag,
    findLogin: () => findLogin(options.login, registry, repository),
    clock: options.clock,
    signal: options.signal,
  })
  const { retryTimes: times, clock, signal, tell } = options
  const retry = { times, clock, signal, tell }
  return { session, retry, close: async () => http.close() }
}
