import type { Step, StepReport } from '../../cluster/driver.ts'
import { systemClock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'
import type { BuiltImage } from '../../image/build/build.ts'
import type { ContentDigest } from '../../image/content-digest.ts'
import { type CopyResult, copyImage } from '../../image/copy.ts'
import type { Source } from '../../image/medium.ts'
import { openDestination, openSource } from '../../image/open.ts'
import { hostPlatform, type Platform } from '../../image/platform.ts'
import { type Reference, referenceText } from '../../image/reference.ts'
import { validateImage } from '../../image/validate.ts'
import type { buildOnce } from './build.ts'
import { copyProgress } from './progress.ts'
import type { CopyWishes } from './wishes.ts'

/** What was done; `--json` prints it. */
export interface Copied {
  readonly digest: ContentDigest
  readonly destination: string | null
  readonly result: CopyResult | null
  /** True when --check was asked for: what was built twice was the same, what was written is whole. */
  readonly checked: boolean
}

/**
 * The work as steps, and what came of it once they have run.
 * @throws Failure 'invalid' when there is nothing to do
 */
export function copySteps(wishes: CopyWishes): { steps: Step[]; copied(): Copied; close(): Promise<void> } {
  const { destination } = wishes
  if (!destination && !(wishes.check && !wishes.source))
    throw new Failure('invalid', 'the destination is missing', {
      where: 'DEST',
      next: ['native image copy oci:DIR', 'native image copy docker://FROM docker://TO'],
    })
  const open: Source[] = []
  let result: CopyResult | null = null
  let digest: ContentDigest | null = null
  const keep = <T extends Source>(source: T): T => {
    open.push(source)
    return source
  }
  let from = wishes.source
  const reading = async (): Promise<Source> => {
    if (!from) throw new Failure('internal', 'there is no source')
    return keep(await openSource(from, wishes.reading))
  }
  const verify: Step = {
    title: 'Verifying the source',
    async run(report) {
      if (wishes.source?.transport !== 'docker')
        throw new Failure('invalid', 'only an image in a registry can be verified', { where: '--verify' })
      const { image } = wishes.source
      const verified = await wishes.verify?.(image, report.signal)
      // From here on by digest: a tag could move in between.
      if (verified) from = { transport: 'docker', image: { ...image, digest: verified } }
      report.say(verified ?? '')
    },
  }
  let built: BuiltImage | undefined
  const build = async (report: StepReport): Promise<void> => {
    built = await buildNow(wishes, report, keep)
    digest = built.digest
    report.say(digest)
  }
  const check: Step = {
    title: 'Building again',
    async run(report) {
      const again = await buildNow(wishes, report, keep)
      if (again.digest !== digest)
        throw new Failure('internal', `two builds of the same sources gave ${digest} and ${again.digest}`, {
          where: '--check',
        })
      report.say('the same, to the last byte')
    },
  }
  const copy = (to: Reference): Step => ({
    title: `Copying to ${referenceText(to)}`,
    async run(report) {
      const source = built?.source ?? (await reading())
      const writer = await openDestination(to, wishes.writing)
      const progress = copyProgress({
        clock: systemClock,
        say: report.say,
        everyMs: wishes.live ? 100 : 15_000,
        bar: wishes.live,
      })
      const platform = platformOf(wishes)
      const { preserveDigests } = wishes
      result = await copyImage(source, writer, { platform, preserveDigests, signal: report.signal, progress })
      digest = result.digest
      report.say(progress.summary())
    },
  })
  const judge = (written: Reference): Step => ({
    title: `Reading back ${referenceText(written)}`,
    async run(report) {
      const source = keep(await openSource(written, wishes.writing))
      const found = await validateImage(source, report.signal)
      report.say(`whole: ${found.layers} layers for ${found.platforms.join(', ')}`)
    },
  })
  return {
    steps: [
      ...(wishes.verify ? [verify] : []),
      ...(wishes.source ? [] : [{ title: 'Building the image', run: build }]),
      ...(wishes.check && !wishes.source ? [check] : []),
      ...(destination ? [copy(destination)] : []),
      ...(destination && wishes.check ? [judge(destination)] : []),
    ].map((step) => ({ ...step, run: (report: StepReport) => stoppable(wishes.stop, report, () => step.run(report)) })),
    copied() {
      if (digest === null) throw new Failure('internal', 'nothing was copied')
      return { digest, result, checked: wishes.check, destination: destination ? referenceText(destination) : null }
    },
    async close() {
      for (const source of open.reverse()) await source.close()
    },
  }
}

/** An interrupt of the steps reaches requests that are under way. */
async function stoppable(stop: AbortController, { signal }: StepReport, run: () => Promise<void>): Promise<void> {
  const abort = (): void => stop.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    await run()
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** What was built for several platforms is copied whole; of another index, one image unless told. */
function platformOf(wishes: CopyWishes): Platform | 'all' {
  if (wishes.all || !wishes.source) return 'all'
  return wishes.platforms[0] ?? hostPlatform(process.arch)
}

/** What builds is loaded when something is built: a copy starts without it. */
async function buildNow(...asked: Parameters<typeof buildOnce>): Promise<BuiltImage> {
  const { buildOnce } = await import('./build.ts')
  return buildOnce(...asked)
}
