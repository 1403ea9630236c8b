import { Failure } from '../../../core/failure.ts'
import type { Step, StepReport } from '../../driver.ts'
import type { Images } from '../../manifest/request.ts'
import type { DeployOptions } from '../../options.ts'
import type { KindContext } from '../context.ts'
import { type KindMemory, readKindMemory, remember } from '../state.ts'
import { builtImage, ownImages } from './built.ts'
import { isPublished, type PublishedWish, publishedImage } from './published.ts'
import { type Registry, registryOf } from './registry.ts'

type Role = keyof Images

type Found = Partial<Record<Role, string>>

/**
 * Chooses the servers' images, and makes sure that nodes can pull them: published images if requested, those in the
 * settings, those published earlier, else ours, built here.
 * @param chosen receives the images' names, by digest, before the next step runs
 */
export function serverImagesSteps(context: KindContext, options: DeployOptions, chosen: { images?: Images }): Step[] {
  const found: Found = {}
  const step = (role: Role, title: string): Step => ({
    title,
    async run(report) {
      found[role] = await imageOf(context, options, role, found, report)
      const { server, worker } = found
      if (server !== undefined && worker !== undefined) chosen.images = { server, worker }
    },
  })
  return [step('server', 'Image of cache and scheduler'), step('worker', 'Image of workers')]
}

/** Where an image of the servers is to come from. */
export type ImageChoice =
  | { readonly from: 'published'; readonly wish: PublishedWish }
  /** An image that is on the nodes, or was copied earlier; and how to describe that. */
  | { readonly from: 'given'; readonly image: string; readonly how: string }
  /** @param base as the flags or an earlier deployment named it */
  | { readonly from: 'sources'; readonly base: string | undefined }

/** Decided by, in this order: flags, settings, the previous deployment, and finally our own sources. */
export function imageChoice(
  { settings }: Pick<KindContext, 'settings'>,
  options: DeployOptions,
  role: Role,
  memory: KindMemory | undefined,
): ImageChoice {
  const { image, workerImage, insecureIgnoreSignature: unverified = false } = options
  const text = role === 'server' ? image : (workerImage ?? image)
  if (text !== undefined) {
    const flag = role === 'worker' && workerImage !== undefined ? '--worker-image' : '--image'
    return { from: 'published', wish: { text, flag, unverified } }
  }
  const asksToBuild = options.base !== undefined || options.workerBase !== undefined
  const settled = asksToBuild ? undefined : settings.images?.[role]
  if (settled !== undefined) return { from: 'given', image: settled, how: 'of the settings' }
  const before = memory?.images?.[role]
  if (before !== undefined && isPublished(before) && !asksToBuild && options.configFile === undefined)
    return { from: 'given', image: before, how: 'as before' }
  return { from: 'sources', base: (role === 'server' ? options.base : options.workerBase) ?? memory?.bases[role] }
}

async function imageOf(
  context: KindContext,
  options: DeployOptions,
  role: Role,
  found: Found,
  report: StepReport,
): Promise<string> {
  const memory = await readKindMemory(context.paths)
  const choice = imageChoice(context, options, role, memory)
  if (choice.from === 'given') {
    report.say(`${choice.image}, ${choice.how}`)
    return choice.image
  }
  if (choice.from === 'published') {
    if (role === 'server' || options.workerImage !== undefined || found.server === undefined)
      return publishedImage(context, await runningRegistry(context), choice.wish, report)
    report.say('the same')
    return found.server
  }
  const { base } = choice
  if (base !== undefined && memory) await remember(context.paths, { bases: { ...memory.bases, [role]: base } })
  const place = base ?? context.settings.bases[role]
  return builtImage(context, await runningRegistry(context), ownImages[role], place, report)
}

/** @throws Failure 'unavailable' while the cluster's registry does not run */
export async function runningRegistry(context: KindContext): Promise<Registry> {
  const found = await registryOf(context)
  if (found) return found
  throw new Failure('unavailable', "the cluster's registry does not run", { next: ['`native up` starts it again.'] })
}
