import { Failure } from '../../../core/failure.ts'
import type { ContentDigest } from '../../../image/content-digest.ts'
import { parseManifest } from '../../../image/manifest.ts'
import { openRegistryReader } from '../../../image/media/registry/registry.ts'
import { type ImageName, imageNameText } from '../../../image/name.ts'
import { hostPlatform } from '../../../image/platform.ts'
import { parseRegistryReference } from '../../../image/reference.ts'
import { selectPlatform } from '../../../image/select.ts'
import type { StepReport } from '../../driver.ts'
import type { ImageVerifier } from '../../open-options.ts'
import type { KindContext } from '../context.ts'
import { digestIn } from './built.ts'
import { imagePlaces } from './places.ts'
import { pushImage } from './push.ts'
import { type Registry, registryName } from './registry.ts'

/** The folder of published images in the cluster's registry, under their own repository. */
const publishedFolder = 'published'

export interface PublishedWish {
  /** As docker writes its name. */
  readonly text: string
  /** What named it, for errors. */
  readonly flag: string
  /** Accept it without a signature. */
  readonly unverified: boolean
}

/**
 * Copies a published image into the cluster's registry after verifying it; by the verified digest, so that a tag that
 * moves meanwhile changes nothing. What is in that registry already is accepted.
 * @returns the image as pods name it, by digest
 * @throws Failure 'denied' with what to do, 'not-found', 'unavailable'
 */
export async function publishedImage(
  context: KindContext,
  registry: Registry,
  wish: PublishedWish,
  report: StepReport,
): Promise<string> {
  const { signal, say } = report
  const image = imageNamed(context, wish)
  if (image.registry === registryName || image.registry === registry.host) {
    const digest = await digestOf(context, { ...image, registry: registry.host }, signal)
    say(`${wish.text}, of the cluster's registry`)
    return `${registry.name}/${image.repository}@${digest}`
  }
  const { digest, warnings } = await judged(context, image, wish, report)
  for (const each of warnings) say(each)
  const reader = await openRegistryReader({ ...image, digest }, imagePlaces(context, signal))
  try {
    const target = { repository: `${publishedFolder}/${image.repository}`, tag: image.tag ?? 'by-digest' }
    const pushed = await pushImage(context, registry, reader, target, report)
    say(`${wish.text} (${digest}): ${pushed.summary}`)
    return `${registry.name}/${target.repository}@${pushed.digest}`
  } finally {
    await reader.close()
  }
}

/**
 * What publishedImage would return now, without copying anything or verifying a signature.
 * @returns the image as pods name it: by digest where the cluster's registry has it, else by the tag that it would have
 * @throws Failure 'not-found', 'unavailable'
 */
export async function plannedPublished(
  context: KindContext,
  registry: Registry,
  wish: PublishedWish,
  signal: AbortSignal,
): Promise<{ readonly image: string; readonly isThere: boolean }> {
  const image = imageNamed(context, wish)
  if (image.registry === registryName || image.registry === registry.host) {
    const digest = await digestOf(context, { ...image, registry: registry.host }, signal)
    return { image: `${registry.name}/${image.repository}@${digest}`, isThere: true }
  }
  const repository = `${publishedFolder}/${image.repository}`
  const digest = await platformDigest(context, image, signal)
  const there = await digestIn(context, registry, { repository, digest }, signal)
  const suffix = there ? `@${there}` : `:${image.tag ?? 'by-digest'}`
  return { image: `${registry.name}/${repository}${suffix}`, isThere: there !== undefined }
}

/** The digest of the image that nodes of this machine's platform would run. */
async function platformDigest(context: KindContext, image: ImageName, signal: AbortSignal): Promise<ContentDigest> {
  const reader = await openRegistryReader(image, imagePlaces(context, signal))
  try {
    const raw = await reader.manifest()
    const where = imageNameText(image)
    const parsed = parseManifest(raw, where)
    if (!('manifests' in parsed)) return raw.digest
    return selectPlatform(parsed, hostPlatform(context.machine.arch), where).digest
  } finally {
    await reader.close()
  }
}

/** Was this image returned by publishedImage? */
export function isPublished(image: string): boolean {
  return image.startsWith(`${registryName}/${publishedFolder}/`)
}

/** Does a pattern name the repository? `*` stands for anything but a slash, `**` for anything. */
export function isNamedBy(patterns: readonly string[], { registry, repository }: ImageName): boolean {
  return patterns.some((pattern) => {
    const parts = pattern.split(/(\*+)/).map((part) => {
      if (part.startsWith('*')) return part.length > 1 ? '.*' : '[^/]*'
      return part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&')
    })
    return new RegExp(`^${parts.join('')}$`, 'u').test(`${registry}/${repository}`)
  })
}

/** `kind:NAME/...` is in this cluster's registry; any other is where its name says. */
function imageNamed({ paths }: KindContext, { text, flag }: PublishedWish): ImageName {
  const reference = parseRegistryReference(text)
  if (reference.transport === 'docker') return reference.image
  const { cluster, image } = reference
  if (cluster === paths.name && image) return { ...image, registry: registryName }
  throw new Failure('invalid', image ? `it is in the registry of cluster "${cluster}"` : 'it names no image', {
    where: flag,
    next: [
      `Write kind:${paths.name}/NAME:TAG for what is in this cluster's; \`native image copy\` brings it from the other.`,
    ],
  })
}

async function judged(
  context: KindContext,
  image: ImageName,
  { text, flag, unverified }: PublishedWish,
  { signal, say }: StepReport,
): ReturnType<ImageVerifier> {
  if (unverified || isNamedBy(context.settings.unverified, image))
    return { digest: await digestOf(context, image, signal), warnings: ['taken without a signature (insecure)'] }
  const next = [
    'Say whose signature counts: name a trust policy under `policies:` in kind.yaml (templates/trust/nativelink.yaml is one).',
    `Or take it without: --insecure-ignore-signature, or \`unverified: [${image.registry}/${image.repository}]\` in kind.yaml.`,
  ]
  if (!context.verify)
    throw new Failure('unimplemented', 'no signature can be verified here', { where: imageNameText(image), next })
  say(`${text}: who signed it?`)
  return context.verify(image, context.settings.policies, signal).catch((cause: unknown) => {
    if (!(cause instanceof Failure && cause.kind === 'denied')) throw cause
    throw new Failure('denied', `${imageNameText(image)} is not deployed: nothing proves that it is genuine`, {
      where: flag,
      ...(cause.output !== undefined && { output: cause.output }),
      next,
      cause,
    })
  })
}

async function digestOf(context: KindContext, image: ImageName, signal: AbortSignal): Promise<ContentDigest> {
  const reader = await openRegistryReader(image, imagePlaces(context, signal))
  try {
    return (await reader.manifest()).digest
  } finally {
    await reader.close()
  }
}
