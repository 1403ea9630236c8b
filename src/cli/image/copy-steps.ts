import type { Step, StepReport } from '../../cluster/driver.ts'
import { systemClock } from '../../core/clock.ts'
import { countText } from '../../core/count-text.ts'
import { Failure } from '../../core/failure.ts'
import type { NamedImage } from '../../image/build/build-for.ts'
import type { ContentDigest } from '../../image/content-digest.ts'
import { type CopyResult, copyImage } from '../../image/copy.ts'
import { imageInCluster, namedLike } from '../../image/in-cluster.ts'
import type { Source } from '../../image/medium.ts'
import { type ImageName, imageNameText, type RepositoryImage } from '../../image/name.ts'
import { openDestination, openSource } from '../../image/open.ts'
import { hostPlatform, type Platform } from '../../image/platform.ts'
import { type Reference, type RegistryReference, referenceText } from '../../image/reference.ts'
import type { CopyRequest } from './copy-request.ts'
import { copyProgress } from './progress.ts'
import { readBack } from './read-back.ts'
import type { SignRequest } from './sign/sign.ts'

/** The state of the work. */
export interface Work {
  readonly request: CopyRequest
  /** What has to be closed at the end. */
  readonly open: Source[]
  /** The source; by digest once verified. */
  from: Reference | undefined
  built: NamedImage | undefined
  /** The destination, including the image's name. */
  to: Reference | undefined
  result: CopyResult | null
  digest: ContentDigest | null
  podsImage: string | null
  warnings: readonly string[]
  signatures: readonly string[]
}

export function verifyStep(work: Work): Step {
  return {
    title: 'Verifying the source',
    async run(report) {
      const { from, request } = work
      if (from?.transport !== 'docker' && from?.transport !== 'kind')
        throw new Failure('invalid', 'only an image in a registry can be verified', { where: '--verify' })
      if (!request.verify) return
      const { digest, warnings } = await request.verify(from, report.signal)
      // By digest from here on: a tag could move in between.
      work.from = atDigest(from, digest)
      work.warnings = warnings
      report.say(digest)
    },
  }
}

function atDigest(reference: RegistryReference, digest: ContentDigest): Reference {
  if (reference.transport === 'docker') return { ...reference, image: { ...reference.image, digest } }
  return reference.image ? { ...reference, image: { ...reference.image, digest } } : reference
}

export function buildStep(work: Work): Step {
  return {
    title: 'Building the image',
    async run(report) {
      work.built = await build(work, report)
      work.digest = work.built.digest
      report.say(work.digest)
    },
  }
}

export function buildAgainStep(work: Work): Step {
  return {
    title: 'Building again',
    async run(report) {
      const { digest } = await build(work, report)
      if (digest !== work.digest)
        throw new Failure('precondition', `two builds of the same sources gave ${work.digest} and ${digest}`, {
          where: '--check',
          next: [
            'Something in a build script or a package gives different bytes each time, such as a date or a random number.',
          ],
        })
      report.say('identical, byte for byte')
    },
  }
}

/** The build code is loaded only when something is built: a copy starts without it. */
async function build({ request, open }: Work, { signal, say }: StepReport): Promise<NamedImage> {
  const { buildFor } = await import('../../image/build/build-for.ts')
  const { query, base, reading, check } = request
  // --check verifies that the sources reproduce the image: layers from an earlier build would prove nothing.
  const build = { ...request.build, fresh: check }
  const platforms = request.all ? 'all' : request.platforms
  const built = await buildFor({ query, platforms, base, reading, build, signal, say })
  open.push(built.source)
  return built
}

export function copyStep(work: Work, destination: Reference): Step {
  const { request } = work
  return {
    title: `Copying to ${referenceText(destination)}`,
    async run(report) {
      const source = await sourceOf(work, report)
      work.to = namedLike(destination, imageOf(work))
      const place = work.to.transport === 'kind' ? await imageInCluster(work.to, request.writing) : undefined
      const to: Reference = place ? { transport: 'docker', image: place.image } : work.to
      const progress = copyProgress({
        clock: systemClock,
        say: report.say,
        everyMs: request.live ? 100 : 5000,
        bar: request.live,
      })
      const failed = () => request.stop.abort(new Failure('cancelled', 'another blob of the image has failed'))
      work.result = await copyImage(source, await openDestination(to, { ...request.writing, tell: report.say }), {
        platform: platformOf(request),
        isPlatformNamed: request.platforms.length > 0,
        preserveDigests: request.preserveDigests,
        signal: report.signal,
        progress: { ...progress, failed },
      })
      const { digest } = work.result
      work.digest = digest
      if (place) work.podsImage = byDigest(place.podsImage, digest)
      report.say(progress.summary())
    },
  }
}

async function sourceOf({ built, from, request, open }: Work, { say }: StepReport): Promise<Source> {
  if (built) return built.source
  if (!from) throw new Failure('internal', 'there is no source')
  const source = await openSource(from, { ...request.reading, tell: say })
  open.push(source)
  return source
}

/** Names a destination that has no image name itself. */
function imageOf({ built, request }: Work): Reference | RepositoryImage {
  if (built) return { repository: built.facts.image, tag: built.facts.tag }
  if (!request.source) throw new Failure('internal', 'there is no source')
  return request.source
}

function byDigest({ registry, repository }: ImageName, digest: ContentDigest): string {
  return imageNameText({ registry, repository, digest })
}

export function readBackStep(work: Work): Step {
  return {
    title: 'Reading back what was written',
    async run(report) {
      const { to, result, request } = work
      if (!to || !result) throw new Failure('internal', 'nothing was written')
      const found = await readBack(to, result, request.writing, report.signal)
      report.say(`complete: ${countText(found.layers, 'layer')} for ${found.platforms.join(', ')}`)
    },
  }
}

/** Runs first: otherwise, if signing fails, an image would be left in the registry without a signature. */
export function signerStep(request: SignRequest): Step {
  return {
    title: 'Signer',
    async run(report) {
      const { signerOf } = await import('./sign/sign.ts')
      report.say(await signerOf(request))
    },
  }
}

export function signStep(work: Work, request: SignRequest): Step {
  return {
    title: 'Signing what was written',
    async run(report) {
      const { to, digest } = work
      if (!digest || (to?.transport !== 'docker' && to?.transport !== 'kind'))
        throw new Failure('internal', 'nothing was written that can be signed')
      const { signImage } = await import('./sign/sign.ts')
      // By digest: a tag could move in between.
      const written = atDigest(to, digest)
      if (written.transport !== 'docker' && written.transport !== 'kind') return
      const signed = await signImage(written, request, { ...work.request.writing, tell: report.say })
      work.signatures = signed.signatures
      report.say(signed.signatures.join(', '))
    },
  }
}

/** What was built for several platforms is copied as a whole; of any other index, one image by default. */
function platformOf(request: CopyRequest): Platform | 'all' {
  if (request.all || !request.source) return 'all'
  return request.platforms[0] ?? hostPlatform(process.arch)
}
