import { Failure } from '../../core/failure.ts'
import { type ProgramShelf, programShelf } from '../../image/build/program-shelf.ts'
import type { DeployOptions, Step, StepReport } from '../driver.ts'
import type { Images } from '../manifest/request.ts'
import { builtImage, ownImages } from './built-images.ts'
import type { KindContext } from './context.ts'
import { isPublished, publishedImage } from './published-images.ts'
import { type Registry, registryOf } from './registry.ts'
import { readKindMemory, remember } from './state.ts'

type Role = keyof Images

interface Work {
  readonly found: Partial<Record<Role, string>>
  readonly programs: ProgramShelf
}

/**
 * Chooses what runs the servers, and sees to it that nodes can have it: published images when they are
 * asked for, those of the settings, those that were published before, else ours, built here.
 * @param chosen is told the images' names, by digest, before the next step runs
 */
export function serverImagesSteps(context: KindContext, options: DeployOptions, chosen: { images?: Images }): Step[] {
  const work: Work = { found: {}, programs: programShelf(context.surroundings.tmp) }
  const step = (role: Role, title: string): Step => ({
    title,
    async run(report) {
      try {
        work.found[role] = await imageOf(context, options, role, work, report)
      } catch (error) {
        await work.programs.close()
        throw error
      }
      const { server, worker } = work.found
      if (server === undefined || worker === undefined) return
      await work.programs.close()
      chosen.images = { server, worker }
    },
  })
  return [step('server', 'Image of cache and scheduler'), step('worker', 'Image of workers')]
}

async function imageOf(
  context: KindContext,
  options: DeployOptions,
  role: Role,
  { found, programs }: Work,
  report: StepReport,
): Promise<string> {
  const { image, workerImage, insecureIgnoreSignature: unverified = false } = options
  const text = role === 'server' ? image : (workerImage ?? image)
  if (text !== undefined) {
    if (role === 'worker' && workerImage === undefined && found.server !== undefined) {
      report.say('the same')
      return found.server
    }
    const flag = role === 'worker' && workerImage !== undefined ? '--worker-image' : '--image'
    return publishedImage(context, await registry(context), { text, flag, unverified }, report)
  }
  const asksToBuild = options.base !== undefined || options.workerBase !== undefined
  const settled = asksToBuild ? undefined : context.settings.images?.[role]
  if (settled !== undefined) {
    report.say(`${settled}, of the settings`)
    return settled
  }
  const memory = await readKindMemory(context.paths)
  const before = memory?.images?.[role]
  if (before !== undefined && isPublished(before) && !asksToBuild && options.configFile === undefined) {
    report.say(`${before}, as before`)
    return before
  }
  const base = (role === 'server' ? options.base : options.workerBase) ?? memory?.bases[role]
  if (base !== undefined && memory) await remember(context.paths, { bases: { ...memory.bases, [role]: base } })
  const place = base ?? context.settings.bases[role]
  return builtImage(context, await registry(context), ownImages[role], place, programs, report)
}

async function registry(context: KindContext): Promise<Registry> {
  const found = await registryOf(context)
  if (found) return found
  throw new Failure('unavailable', "the cluster's registry does not run", { next: ['`native up` starts it again.'] })
}
