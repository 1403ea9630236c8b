import type { Clock } from '../../../core/clock.ts'
import { Failure } from '../../../core/failure.ts'
import { findLogin, type LoginPlaces } from '../../auth.ts'
import type { ContentDigest } from '../../content-digest.ts'
import type { Descriptor, RawManifest } from '../../manifest.ts'
import { rawManifest } from '../../manifest.ts'
import type { Destination, Source } from '../../medium.ts'
import { type ImageName, imageNameText } from '../../name.ts'
import { verifiedBytes } from '../../verified.ts'
import { trustedCertificates } from './certificates.ts'
import { openHttp } from './http.ts'
import { fetchBlob, fetchManifest, fetchReferrers } from './pull.ts'
import { pushManifest } from './push-manifest.ts'
import { type RetryOptions, withRetries } from './retry.ts'
import { openSession, type Session } from './session.ts'
import { pushBlob } from './upload.ts'

export interface RegistryOptions {
  /** False accepts any certificate, and plain HTTP. */
  readonly tlsVerify: boolean
  readonly login: LoginPlaces
  /** How often what may go away is tried again. */
  readonly retryTimes: number
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Milliseconds of silence after which an exchange is given up. */
  readonly idleMsMax?: number
}

/** One repository, for reading: what copying and signature verification need of a registry. */
export interface RegistryReader extends Source {
  /**
   * The manifest under a tag, or by digest.
   * @throws Failure 'not-found', 'denied', 'unavailable', 'corrupt', 'invalid'
   */
  manifestOf(reference: { readonly tag: string } | { readonly digest: ContentDigest }): Promise<RawManifest>
  /** What refers to a manifest, at most 1024; empty when nothing does. */
  referrers(digest: ContentDigest, artifactType?: string): Promise<readonly Descriptor[]>
  /** A small blob, verified. @throws Failure 'exhausted' when it has more than bytesMax */
  blobBytes(descriptor: Descriptor, bytesMax: number): Promise<Uint8Array>
}

const idleMsDefault = 120_000
const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/

/** Opens an image in a registry for reading; nothing is sent before it is asked for something. */
export async function openRegistryReader(image: ImageName, options: RegistryOptions): Promise<RegistryReader> {
  const { session, retry, close } = await connect(image, 'pull', options)
  const name = `docker://${imageNameText(image)}`
  const blob = (descriptor: Descriptor) => fetchBlob(session, descriptor, retry)
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
    blob,
    referrers: (digest, artifactType) => fetchReferrers(session, digest, artifactType, retry),
    async blobBytes(descriptor, bytesMax) {
      return verifiedBytes(await blob(descriptor), descriptor, bytesMax, name)
    },
    close,
  }
}

/**
 * Opens an image in a registry for writing.
 * @throws Failure 'invalid' for a digest that is to be written under a tag it does not have
 */
export async function openRegistryDestination(image: ImageName, options: RegistryOptions): Promise<Destination> {
  const { session, retry, close } = await connect(image, 'pull,push', options)
  return {
    name: `docker://${imageNameText(image)}`,
    holds: 'any',
    parallelMax: 6,
    hasBlob: (descriptor) => withRetries(() => headBlob(session, descriptor), retry),
    putBlob(descriptor, open, origin) {
      const isNear = origin?.registry === image.registry && origin.repository !== image.repository
      return pushBlob(session, descriptor, open, isNear ? origin.repository : undefined, retry)
    },
    async putManifest(raw, isRoot) {
      if (isRoot && image.digest !== undefined && image.digest !== raw.digest)
        throw new Failure('invalid', `the image has the digest ${raw.digest}, not the one that the destination names`, {
          where: imageNameText(image),
        })
      const reference = isRoot && image.digest === undefined ? (image.tag ?? 'latest') : raw.digest
      await pushManifest(session, rawManifest(raw.bytes, raw.mediaType, image.repository), reference, retry)
    },
    commit: close,
    abort: close,
  }
}

/** HEAD before push: is the blob there, and as long as it should be? */
async function headBlob(session: Session, descriptor: Descriptor): Promise<boolean> {
  const answer = await session.send({
    method: 'HEAD',
    url: `/v2/${session.repository}/blobs/${descriptor.digest}`,
    doing: `look for the blob ${descriptor.digest}`,
    // It sends on to its storage only for what is there; the storage may not like HEAD.
    expected: [200, 302, 307, 404],
  })
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
  const ca = await trustedCertificates(registry, options.login.home)
  const http = openHttp({
    tlsVerify: options.tlsVerify,
    idleMsMax: options.idleMsMax ?? idleMsDefault,
    // This machine's own registry is nobody's to relay.
    env: loopback.test(registry) ? {} : options.login.env,
    ...(ca === undefined ? {} : { ca }),
  })
  const session = openSession({
    origin: { registry, repository },
    actions,
    exchange: http.exchange,
    // As with docker, this machine's own registry may speak plain HTTP. Nobody is in between there, so it is
    // tried first: TLS is slow to load and to be refused.
    plain: loopback.test(registry) ? 'first' : options.tlsVerify ? 'never' : 'second',
    findLogin: () => findLogin(options.login, registry, repository),
    clock: options.clock,
    signal: options.signal,
  })
  const retry = { times: options.retryTimes, clock: options.clock, signal: options.signal }
  return { session, retry, close: async () => http.close() }
}
