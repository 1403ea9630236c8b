import { imageEnvironmentProperty, imageProperty, type PlatformProperty } from '../../core/platform.ts'
import { assertRunsImages } from '../spawner.ts'
import type { WorkerContext } from '../worker-context.ts'
import type { HeldImage } from './store.ts'

/** The image that one action runs in. */
export interface ActionImage {
  /** Held until released; undefined: it runs with the machine's programs. */
  readonly held: HeldImage | undefined
  /** Whether the action gets the image's variables. */
  readonly environment: boolean
}

/**
 * Holds the image that the action's properties name, or else the worker's default one.
 * @throws as Images.hold; Failure 'precondition' where there is no sandbox to run it in
 */
export async function holdImage(
  { images, usualImage, properties: offered, spawner }: WorkerContext,
  properties: readonly PlatformProperty[],
  signal: AbortSignal,
): Promise<ActionImage> {
  const { reference, environment } = namedImage(properties, usualImage, offered)
  if (!images || reference === undefined) return { held: undefined, environment }
  assertRunsImages((await spawner.way).kind)
  return { held: await images.hold(reference, signal), environment }
}

/**
 * The reference of an action's image, if there is one, and whether the action is to get the image's variables.
 * @param offered what the worker declares: an image named there is the one it already runs in
 */
function namedImage(
  properties: readonly PlatformProperty[],
  usual: string | undefined,
  offered: readonly PlatformProperty[],
) {
  const environment = properties.some(({ name, value }) => name === imageEnvironmentProperty && value === 'on')
  const named = properties.find(({ name }) => name === imageProperty)?.value
  const isLabel = named !== usual && offered.some(({ name, value }) => name === imageProperty && value === named)
  return { reference: isLabel ? undefined : (named ?? usual), environment }
}
