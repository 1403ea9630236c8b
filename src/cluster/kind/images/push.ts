import type { Clock } from '../../../core/clock.ts'
import { sizeText } from '../../../core/units.ts'
import type { ContentDigest } from '../../../image/content-digest.ts'
import { type CopyProgress, copyImage } from '../../../image/copy.ts'
import type { Source } from '../../../image/medium.ts'
import { openDestination } from '../../../image/open.ts'
import { hostPlatform } from '../../../image/platform.ts'
import type { StepReport } from '../../driver.ts'
import type { KindContext } from '../context.ts'
import { imagePlaces } from './places.ts'
import type { Registry } from './registry.ts'

const tellEveryMs = 1_000

/** An image in the cluster's registry, by tag. */
export interface Pushed {
  readonly repository: string
  readonly tag: string
}

/**
 * Copies an image into the cluster's registry; existing blobs are skipped.
 * @returns its digest there: of the one image for the nodes' platform
 */
export async function pushImage(
  context: KindContext,
  { host }: Registry,
  source: Source,
  image: Pushed,
  report: StepReport,
): Promise<{ digest: ContentDigest; summary: string }> {
  const { signal, say } = report
  const destination = { transport: 'docker', image: { registry: host, ...image } } as const
  const writer = await openDestination(destination, imagePlaces(context, signal))
  const progress = pushProgress(context.clock, (text) => say(`${image.repository}: ${text}`))
  const platform = hostPlatform(context.machine.arch)
  const { digest } = await copyImage(source, writer, { platform, preserveDigests: false, signal, progress })
  return { digest, summary: progress.summary() }
}

/** Reports progress now and then, and at the end what was moved and what existed already. */
function pushProgress(clock: Clock, say: (text: string) => void): CopyProgress & { summary(): string } {
  const planned = new Map<ContentDigest, number>()
  const began = clock.now()
  let [moved, skipped, skippedBytes, told] = [0, 0, 0, began]
  const total = () => [...planned.values()].reduce((sum, each) => sum + each, 0)
  return {
    planned(descriptors) {
      for (const { digest, size } of descriptors) planned.set(digest, size)
    },
    moved(_, bytes) {
      moved += bytes
      if (clock.now() - told < tellEveryMs) return
      told = clock.now()
      say(`${sizeText(moved + skippedBytes)} of ${sizeText(total())}`)
    },
    finished({ size }, outcome) {
      if (outcome === 'written') return
      skipped += 1
      skippedBytes += size
    },
    summary: () =>
      `${sizeText(moved)} sent${skipped > 0 ? `, ${skipped} of ${planned.size} blobs (${sizeText(skippedBytes)}) were there` : ''}`,
  }
}
