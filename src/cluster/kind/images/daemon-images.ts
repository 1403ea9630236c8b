import { Failure } from '../../../core/failure.ts'
import type { StepReport } from '../../driver.ts'
import type { KindContext } from '../context.ts'
import { docker } from '../docker/programs.ts'
import { archivesWithNames, fullImageName } from './archives.ts'

const moveMsMax = 20 * 60_000

/**
 * Makes sure that the docker daemon has an image: from an archive in the settings, or pulled.
 * @param where what named it, for the error
 * @throws Failure 'not-found' with docker's message
 */
export async function ensureDaemonImage(
  context: KindContext,
  image: string,
  where: string,
  { signal, say }: StepReport,
): Promise<void> {
  if (await hasImage(context, image, signal)) return
  const archive = (await archivesWithNames(context)).find(({ names }) => names.includes(fullImageName(image)))
  if (archive) {
    say(`${image} out of ${archive.file}`)
    await docker(context, ['load', '--quiet', '--input', archive.file], { signal, msMax: moveMsMax })
    if (await hasImage(context, image, signal)) return
  }
  say(`pulling ${image}`)
  await docker(context, ['pull', '--quiet', image], { signal, msMax: moveMsMax }).catch((cause: unknown) => {
    if (!(cause instanceof Failure && cause.kind === 'program')) throw cause
    throw new Failure('not-found', `docker has no image ${image}, and cannot pull it`, {
      where,
      ...(cause.output !== undefined && { output: cause.output }),
      next: ['Check its name; where there is no internet, name an archive of it (docker save) under `archives:`.'],
      cause,
    })
  })
}

async function hasImage(context: KindContext, image: string, signal: AbortSignal): Promise<boolean> {
  return docker(context, ['image', 'inspect', '--format', '{{.Id}}', image], { signal }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Failure && error.kind === 'program') return false
      throw error
    },
  )
}
