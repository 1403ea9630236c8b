import type { Step, StepReport } from '../../cluster/driver.ts'
import { systemClock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'
import { type BuildOptions, type BuiltImage, buildImage } from '../../image/build/build.ts'
import type { ContentDigest } from '../../image/content-digest.ts'
import { type CopyResult, copyImage } from '../../image/copy.ts'
import type { Source } from '../../image/medium.ts'
import type { ImageName } from '../../image/name.ts'
import { openDestination, openSource, type Surroundings } from '../../image/open.ts'
import { hostPlatform, type Platform } from '../../image/platform.ts'
import { parseReference, type Reference, referenceText } from '../../image/reference.ts'
import { findSources, type ImageSources, type SourceQuery } from '../../image/sources.ts'
import { baseText } from '../../image/tag.ts'
import { validateImage } from '../../image/validate.ts'
import { copyProgress } from './progress.ts'

/** `native image copy [SOURCE] DEST` as it was asked for. */
export interface CopyWishes {
  /** Undefined: our own image is built. */
  readonly source: Reference | undefined
  readonly destination: Reference | undefined
  readonly platforms: readonly Platform[]
  readonly all: boolean
  readonly check: boolean
  readonly base: Reference | undefined
  readonly preserveDigests: boolean
  readonly query: SourceQuery
  readonly reading: Surroundings
  readonly writing: Surroundings
  readonly build: Pick<BuildOptions, 'epochSeconds' | 'cache' | 'path'>
  /** Refuses a source in a registry that this does not find verified; gives the digest that was. */
  readonly verify: ((image: ImageName, signal: AbortSignal) => Promise<ContentDigest>) | undefined
  /** Aborts whatever was opened with the signals above, when the work is interrupted. */
  readonly stop: AbortController
  /** A terminal that can be redrawn. */
  readonly live: boolean
}

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
 * @throws Failure 'invalid' when source and destination are the same, or there is nothing to do
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
    built = await buildOnce(wishes, report, keep)
    digest = built.digest
    report.say(digest)
  }
  const check: Step = {
    title: 'Building again',
    async run(report) {
      const again = await buildOnce(wishes, report, keep)
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

async function buildOnce(
  wishes: CopyWishes,
  report: StepReport,
  keep: <T extends Source>(source: T) => T,
): Promise<BuiltImage> {
  const sources = await findSources(wishes.query)
  if (!sources)
    throw new Failure('precondition', 'an image is built from a checkout, and this is an installed package', {
      next: ['Name sources: --ref github:OWNER/REPO, or copy a published image: native image copy docker://... DEST.'],
    })
  const base = await openBase(wishes, sources)
  if (base.source) keep(base.source)
  const built = await buildImage(sources, {
    ...wishes.build,
    platforms: platformsOf(wishes, sources),
    base: base.source,
    baseName: base.name,
    temporary: wishes.reading.temporary,
    signal: report.signal,
    say: report.say,
  })
  keep(built.source)
  return built
}

function platformsOf(wishes: CopyWishes, { definition }: ImageSources): readonly Platform[] {
  if (wishes.all) return definition.platforms
  return wishes.platforms.length > 0 ? wishes.platforms : [hostPlatform(process.arch)]
}

async function openBase(
  wishes: CopyWishes,
  { definition }: ImageSources,
): Promise<{ source: Source | null; name: string | null }> {
  if (wishes.base) {
    const source = await openSource(wishes.base, wishes.reading)
    return {
      source,
      name: wishes.base.transport === 'docker' ? referenceText(wishes.base).slice('docker://'.length) : null,
    }
  }
  if (definition.base === 'scratch') return { source: null, name: null }
  const name = baseText(definition)
  return { source: await openSource(parseReference(`docker://${name}`), wishes.reading), name }
}
