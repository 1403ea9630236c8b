import type { ObjectDiff } from '../../driver.ts'
import type { Images } from '../../manifest/request.ts'
import type { DeployOptions } from '../../options.ts'
import type { KindContext } from '../context.ts'
import type { KindMemory } from '../state.ts'
import { ownImages, plannedBuild } from './built.ts'
import { imageChoice, runningRegistry } from './choice.ts'
import { plannedPublished } from './published.ts'

/** The images that a deployment of these options would run, and which of them it would have to build or take first. */
export interface PlannedImages {
  readonly images: Images
  readonly diffs: readonly ObjectDiff[]
}

interface Planned {
  readonly image: string
  /** How it would be made; absent if it exists. */
  readonly how?: string
}

/**
 * Chooses as serverImagesSteps does, but does not build, copy or verify anything. An image that is not in the cluster's
 * registry has no digest yet: it is named by its future tag.
 * @throws Failure 'precondition' without sources, 'unavailable' without the registry, and of the images' places
 */
export async function plannedImages(
  context: KindContext,
  options: DeployOptions,
  memory: KindMemory,
  signal: AbortSignal,
): Promise<PlannedImages> {
  const server = await plannedImage(context, options, 'server', memory, signal)
  const worker = await plannedImage(context, options, 'worker', memory, signal)
  const texts = new Map([server, worker].flatMap(({ image, how }) => (how === undefined ? [] : [[image, how]])))
  const diffs = [...texts].map(
    ([image, how]): ObjectDiff => ({ object: `Image/${image}`, change: 'created', text: `+${image}, ${how}\n` }),
  )
  return { images: { server: server.image, worker: worker.image }, diffs }
}

async function plannedImage(
  context: KindContext,
  options: DeployOptions,
  role: keyof Images,
  memory: KindMemory,
  signal: AbortSignal,
): Promise<Planned> {
  const choice = imageChoice(context, options, role, memory)
  if (choice.from === 'given') return { image: choice.image }
  const registry = await runningRegistry(context)
  if (choice.from === 'published') {
    const { image, isThere } = await plannedPublished(context, registry, choice.wish, signal)
    const judged = choice.wish.unverified ? '' : ' once its signature is found good'
    return isThere ? { image } : { image, how: `taken from ${choice.wish.text}${judged}` }
  }
  const base = choice.base ?? context.settings.bases[role]
  const { image, isThere } = await plannedBuild(context, registry, ownImages[role], base, signal)
  return isThere ? { image } : { image, how: 'built from the sources as they are now' }
}
