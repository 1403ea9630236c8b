import { dirname } from 'node:path'
import { Failure } from '../../../core/failure.ts'
import { buildFor } from '../../../image/build/build-for.ts'
import { epochOf } from '../../../image/build/epoch.ts'
import type { ContentDigest } from '../../../image/content-digest.ts'
import { hexOf } from '../../../image/content-digest.ts'
import { openRegistryReader } from '../../../image/media/registry/registry.ts'
import type { Source } from '../../../image/medium.ts'
import { openSource } from '../../../image/open.ts'
import { parseReference, type Reference } from '../../../image/reference.ts'
import { findSources, type SourceQuery } from '../../../image/sources.ts'
import { deriveTag } from '../../../image/tag.ts'
import type { StepReport } from '../../driver.ts'
import type { KindContext } from '../context.ts'
import { imageCache, imagePlaces } from './places.ts'
import { pushImage } from './push.ts'
import type { Registry } from './registry.ts'

/** Our own images, by their definitions' names. */
export const ownImages = { server: 'native', worker: 'native-worker-lre-cc' } as const
export type OwnImage = (typeof ownImages)[keyof typeof ownImages]

/**
 * Makes sure that the cluster's registry has one of our images, built from the current sources. Its tag is derived from
 * everything that goes into the image, so nothing is built if the registry has the tag; this also holds for a modified
 * working tree, whose tag is derived from the changed files.
 * @param baseText a base other than the definition's, as `image copy --base` takes it
 * @returns the image as pods name it, by digest
 * @throws Failure of sources, base, build and push
 */
export async function builtImage(
  context: KindContext,
  registry: Registry,
  name: OwnImage,
  baseText: string | undefined,
  report: StepReport,
): Promise<string> {
  const { signal, say } = report
  const query = queryOf(context, name, signal)
  const base = baseText === undefined ? undefined : parseReference(baseText)
  const image = { repository: name, tag: await tagOf(context, query, base) }
  const { tag } = image
  const there = await digestIn(context, registry, image, signal)
  if (there) {
    say(`${name}:${tag} is already there`)
    return `${registry.name}/${name}@${there}`
  }
  say(`${name}: is being built`)
  const built = await buildFor({
    query,
    base,
    platforms: [],
    reading: imagePlaces(context, signal),
    build: {
      epochSeconds: epochOf(context.user.env['SOURCE_DATE_EPOCH']),
      cache: query.cache,
      path: context.user.env['PATH'] ?? '',
    },
    signal,
    say: (text) => say(`${name}: ${text}`),
  })
  try {
    const { digest, summary } = await pushImage(
      context,
      registry,
      nearOthers(built.source, registry, name),
      image,
      report,
    )
    say(`${name}:${tag} built; ${summary}`)
    return `${registry.name}/${name}@${digest}`
  } finally {
    await built.source.close()
  }
}

/**
 * What builtImage would return now, without building it.
 * @returns the image as pods name it: by digest if it exists, else by its future tag
 * @throws Failure of sources and base
 */
export async function plannedBuild(
  context: KindContext,
  registry: Registry,
  name: OwnImage,
  baseText: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly image: string; readonly isThere: boolean }> {
  const base = baseText === undefined ? undefined : parseReference(baseText)
  const tag = await tagOf(context, queryOf(context, name, signal), base)
  const there = await digestIn(context, registry, { repository: name, tag }, signal)
  return { image: `${registry.name}/${name}${there ? `@${there}` : `:${tag}`}`, isThere: there !== undefined }
}

/** The tag covers the definition's own base; for another base its digest is appended. */
async function tagOf(context: KindContext, query: SourceQuery, base: Reference | undefined): Promise<string> {
  const sources = await findSources(query)
  if (!sources) throw noSources(query.image)
  const { tag } = await deriveTag(sources.definition, sources.folder, sources.tree, sources.file)
  return base ? `${tag}-${await markOf(context, base, query.signal)}` : tag
}

function noSources(name: string): Failure {
  return new Failure('precondition', `${name} is built from a checkout, and this is an installed package`, {
    where: '--image',
    next: [
      'Name published images with --image and --worker-image, which are verified; or what `native image copy SOURCE kind:` put into the cluster.',
      'Or run it where a checkout of native is.',
    ],
  })
}

/** Both images contain Node and the program: layers already pushed with one need not be sent for the other. */
function nearOthers(source: Source, { host }: Registry, name: OwnImage): Source {
  const other = Object.values(ownImages).find((each) => each !== name)
  return other === undefined || source.origin ? source : { ...source, origin: { registry: host, repository: other } }
}

function queryOf(context: KindContext, image: OwnImage, signal: AbortSignal): SourceQuery {
  return {
    ref: undefined,
    image,
    definitionFile: undefined,
    cwd: context.cwd,
    root: dirname(context.templates),
    cache: imageCache(context),
    env: context.user.env,
    signal,
  }
}

/** What distinguishes one base from another in a tag. */
async function markOf(context: KindContext, base: Reference, signal: AbortSignal): Promise<string> {
  const source = await openSource(base, imagePlaces(context, signal))
  try {
    return hexOf((await source.manifest()).digest).slice(0, 12)
  } finally {
    await source.close()
  }
}

/** The digest that an image has in the cluster's registry; undefined without it. */
export async function digestIn(
  context: KindContext,
  { host }: Registry,
  image:
    | { readonly repository: string; readonly tag: string }
    | { readonly repository: string; readonly digest: ContentDigest },
  signal: AbortSignal,
): Promise<ContentDigest | undefined> {
  const reader = await openRegistryReader({ registry: host, ...image }, imagePlaces(context, signal))
  try {
    return (await reader.manifest()).digest
  } catch (error) {
    if (error instanceof Failure && error.kind === 'not-found') return undefined
    throw error
  } finally {
    await reader.close()
  }
}
