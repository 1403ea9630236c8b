import type { StepReport } from '../../cluster/driver.ts'
import { Failure } from '../../core/failure.ts'
import { type BuiltImage, buildImage } from '../../image/build/build.ts'
import type { Source } from '../../image/medium.ts'
import { openSource } from '../../image/open.ts'
import { hostPlatform, type Platform } from '../../image/platform.ts'
import { parseReference, referenceText } from '../../image/reference.ts'
import { findSources, type ImageSources } from '../../image/sources.ts'
import { baseText } from '../../image/tag.ts'
import type { CopyWishes } from './wishes.ts'

/**
 * Builds the image that was asked for.
 * @param keep is told what has to be closed in the end
 */
export async function buildOnce(
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
