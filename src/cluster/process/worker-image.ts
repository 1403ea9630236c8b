import { isAbsolute } from 'node:path'
import type { Deployment } from '../../config/deployment.ts'
import { Failure } from '../../core/failure.ts'
import { runHelper } from '../../image/credential-helper.ts'
import { openSource } from '../../image/open.ts'
import { hostPlatform } from '../../image/platform.ts'
import { parseAnyReference, referenceText } from '../../image/reference.ts'
import { selectRoot } from '../../image/select.ts'
import { layered } from '../shared/deployment-layers.ts'
import type { ProcessContext } from './context.ts'

/** Removes an image that was requested earlier. */
const noImage = 'none'
const retryTimes = 3
/** A worker's first action may have to wait for an image to be pulled. */
export const imageMsMax = 15 * 60_000

/**
 * The image that all actions run in, for the workers' configuration: with the digest that its tag has now, so that
 * every worker uses the same one until the next deployment.
 * @param before the previous deployment, which is kept where nothing else is requested
 * @throws Failure 'invalid' for an invalid image and for a deployment without a sandbox; Failures of its registry
 */
export async function pinnedImage(
  { user, clock, machine }: ProcessContext,
  asked: Deployment,
  before: Deployment,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { worker_image: text, sandbox } = layered(before, asked)
  if (text === undefined || text === noImage) return text
  if (sandbox === 'off')
    throw new Failure('invalid', 'actions can run in an image only in a sandbox, which is off', {
      where: '--worker-image',
      next: ['Deploy with --sandbox on.', 'With --worker-image none, actions use the programs of this machine.'],
    })
  // An earlier request already has its digest.
  if (asked.worker_image === undefined) return text
  const reference = parseAnyReference(text)
  if ('path' in reference && !isAbsolute(reference.path))
    throw new Failure(
      'invalid',
      'the path of an image has to be absolute: the workers have another working directory',
      {
        where: `--worker-image ${text}`,
      },
    )
  const authFile = user.env['REGISTRY_AUTH_FILE']
  const source = await openSource(reference, {
    tlsVerify: true,
    login: { home: user.home, env: user.env, runHelper, ...(authFile ? { authFile } : {}) },
    retryTimes,
    dockerHost: user.env['DOCKER_HOST'] || undefined,
    temporary: user.tmp,
    clock,
    signal,
  })
  try {
    const { digest } = await selectRoot(source, { platform: hostPlatform(machine.arch), isNamed: true })
    if (reference.transport !== 'docker' || reference.image.digest !== undefined) return referenceText(reference)
    return referenceText({ ...reference, image: { ...reference.image, digest } })
  } finally {
    await source.close()
  }
}

/** What a deployment says of the image that was asked for. */
export function imageRemark(image: string | undefined): string {
  if (image === undefined) return ''
  return image === noImage ? '; actions run without an image' : `; actions run in ${image}`
}

/** The worker's settings for it. */
export function imageSettings({ worker_image: image }: Deployment): Record<string, unknown> {
  return image === undefined || image === noImage ? {} : { images: { default: image } }
}
