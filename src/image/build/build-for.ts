import { Failure } from '../../core/failure.ts'
import type { ContentDigest } from '../content-digest.ts'
import type { Source } from '../medium.ts'
import { type ImageContext, openSource } from '../open.ts'
import { hostPlatform, type Platform } from '../platform.ts'
import { parseReference, type Reference, referenceText } from '../reference.ts'
import { findSources, type ImageSources, type SourceQuery } from '../sources.ts'
import { baseText, deriveTag, type TagFacts } from '../tag.ts'
import { type BuildOptions, buildImage } from './build.ts'

/** A requested image: which definition in which state, for which platforms, on which base. */
export interface BuildRequest {
  readonly query: SourceQuery
  /** Empty: the one of this machine's containers. */
  readonly platforms: readonly Platform[] | 'all'
  /** A base other than the definition's. */
  readonly base: Reference | undefined
  /** How the base is accessed. */
  readonly reading: ImageContext
  readonly build: Pick<BuildOptions, 'epochSeconds' | 'cache' | 'path' | 'fresh'>
  readonly signal: AbortSignal
  readonly say?: (text: string) => void
}

/** What was built; closing the source also closes the base and removes temporary files. */
export interface NamedImage {
  readonly source: Source
  readonly digest: ContentDigest
  /** The image's name and tag. The tag reflects the definition's own base, not another one. */
  readonly facts: TagFacts
}

/**
 * Finds the sources of an image, opens its base and builds it. The result can be copied anywhere with copyImage.
 * @throws Failure 'precondition' without sources, and those of sources, base and build
 */
export async function buildFor(request: BuildRequest): Promise<NamedImage> {
  const sources = await findSources(request.query)
  if (!sources)
    throw new Failure('precondition', 'images are built from a checkout, but this is an installed package', {
      next: [
        'Give the sources: --ref github:OWNER/REPO, or copy a published image: native image copy docker://... DEST.',
      ],
    })
  const facts = await deriveTag(sources.definition, sources.folder, sources.tree, sources.file)
  const base = await openBase(request, sources)
  try {
    const { source, digest } = await buildImage(sources, {
      ...request.build,
      platforms: platformsOf(request, sources),
      base: base.source,
      baseName: base.name,
      temporary: request.reading.temporary,
      signal: request.signal,
      ...(request.say && { say: request.say }),
    })
    return { source: closingBoth(source, base.source), digest, facts }
  } catch (error) {
    await base.source?.close()
    throw base.isNamed ? error : withoutBase(error, base.name)
  }
}

function platformsOf({ platforms }: BuildRequest, { definition }: ImageSources): readonly Platform[] {
  if (platforms === 'all') return definition.platforms
  return platforms.length > 0 ? platforms : [hostPlatform(process.arch)]
}

/** To build without a network, the base can be given from elsewhere. */
function withoutBase(error: unknown, name: string | null): unknown {
  if (!(error instanceof Failure) || name === null || !['unavailable', 'deadline', 'denied'].includes(error.kind))
    return error
  if (!error.where?.startsWith(name.slice(0, name.indexOf('/')))) return error
  return new Failure(error.kind, `the base image ${name} is needed to build: ${error.message}`, {
    where: error.where,
    next: [
      ...error.next,
      'A copy of the base image somewhere else works as well: --base docker://MIRROR/NAME, or --base oci:DIR.',
    ],
    cause: error,
  })
}

interface Base {
  /** Given by --base, so there is no need to suggest that. */
  readonly isNamed: boolean
  readonly source: Source | null
  /** For the label; null if it has no name elsewhere. */
  readonly name: string | null
}

async function openBase({ base, reading }: BuildRequest, { definition }: ImageSources): Promise<Base> {
  if (base) {
    const name = base.transport === 'docker' ? referenceText(base).slice('docker://'.length) : null
    return { isNamed: true, source: await openSource(base, reading), name }
  }
  if (definition.base === 'scratch') return { isNamed: true, source: null, name: null }
  const name = baseText(definition)
  return { isNamed: false, source: await openSource(parseReference(`docker://${name}`), reading), name }
}

function closingBoth(source: Source, base: Source | null): Source {
  return {
    ...source,
    async close() {
      await source.close()
      await base?.close()
    },
  }
}
