import type { Step, StepReport } from '../../cluster/driver.ts'
import { Failure } from '../../core/failure.ts'
import type { ContentDigest } from '../../image/content-digest.ts'
import type { CopyResult } from '../../image/copy.ts'
import { type Reference, referenceText } from '../../image/reference.ts'
import type { CopyRequest } from './copy-request.ts'
import {
  buildAgainStep,
  buildStep,
  copyStep,
  readBackStep,
  signerStep,
  signStep,
  verifyStep,
  type Work,
} from './copy-steps.ts'

/** The outcome; `--json` prints it. */
export interface Copied {
  readonly digest: ContentDigest
  readonly destination: string | null
  /** By digest: how pods refer to an image that was copied into a cluster. */
  readonly podsImage: string | null
  readonly result: CopyResult | null
  /** With --check: building twice gave the same result, and what was written is there and complete. */
  readonly checked: boolean
  /** With --verify: known weaknesses of what was accepted. */
  readonly warnings: readonly string[]
  /** With --sign: where the signatures are, as tags and digests of manifests. */
  readonly signatures: readonly string[]
}

/**
 * The work as steps, and its outcome once they have run.
 * @throws Failure 'invalid' if there is nothing to do
 */
export function copySteps(request: CopyRequest): { steps: Step[]; copied(): Copied; close(): Promise<void> } {
  const { source, destination, check, platforms } = request
  if (request.sign && destination?.transport !== 'docker' && destination?.transport !== 'kind')
    throw new Failure('invalid', 'signatures are stored in registries, but DEST is not in one', { where: '--sign' })
  if (!destination && !(check && !source))
    throw new Failure('invalid', 'the destination is missing', {
      where: 'DEST',
      next: ['native image copy oci:DIR', 'native image copy docker://FROM docker://TO'],
    })
  if (!source && destination && !request.isBuildMeant) assertNoSource(destination)
  // An index of just these would not be the one that its author made, and perhaps signed.
  if (source && platforms.length > 1)
    throw new Failure('invalid', 'either the image for one platform is copied, or all of them', {
      where: '--platform',
      next: ['Give --platform once, or --all.'],
    })
  const nothing = { built: undefined, result: null, digest: null, podsImage: null, warnings: [], signatures: [] }
  const work: Work = { ...nothing, request, open: [], from: source, to: destination }
  const steps = [
    ...(request.sign ? [signerStep(request.sign)] : []),
    ...(request.verify ? [verifyStep(work)] : []),
    ...(source ? [] : [buildStep(work)]),
    ...(check && !source ? [buildAgainStep(work)] : []),
    ...(destination ? [copyStep(work, destination)] : []),
    ...(destination && check ? [readBackStep(work)] : []),
    ...(destination && request.sign ? [signStep(work, request.sign)] : []),
  ]
  return {
    steps: steps.map((step) => ({ ...step, run: (report) => stoppable(request.stop, report, () => step.run(report)) })),
    copied() {
      const { digest, result, podsImage, warnings, signatures, to } = work
      if (digest === null) throw new Failure('internal', 'nothing was copied')
      return {
        digest,
        result,
        checked: check,
        destination: to ? referenceText(to) : null,
        podsImage,
        warnings,
        signatures,
      }
    },
    async close() {
      for (const each of work.open.reverse()) await each.close()
    },
  }
}

/**
 * A single location is where our own image is built to. If it is an image in a registry, the user more likely meant to
 * copy it and forgot the destination: a push over it cannot be undone.
 * @throws Failure 'invalid'
 */
function assertNoSource(place: Reference): void {
  if (place.transport !== 'docker' || isOwnMachine(place.image.registry)) return
  const text = referenceText(place)
  throw new Failure(
    'invalid',
    `a single image name says where to push the image that is built: is ${text} meant as the source?`,
    {
      where: 'DEST',
      next: [
        `To copy it, add a destination: native image copy ${text} oci:DIR`,
        `To build the image of native and push it there: native image copy --image native ${text}`,
      ],
    },
  )
}

function isOwnMachine(registry: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/.test(registry)
}

/** Makes an interrupt of the steps abort requests in progress. */
async function stoppable(stop: AbortController, { signal }: StepReport, run: () => Promise<void>): Promise<void> {
  const abort = (): void => stop.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    await run()
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
