import type { ImageVerifier } from '../../cluster/open-options.ts'
import type { Places } from './verify.ts'

const retryTimes = 3

/** How a driver judges a published image before it deploys it: as `native image verify` does. */
export function imageJudge(places: Places, authfile: string | undefined): ImageVerifier {
  return async (image, policies, signal) => {
    // Judging takes much code, which a deployment of what was built here does not wait for.
    const [{ verifierOf }, { imageContextOf }] = await Promise.all([import('./verify.ts'), import('./places.ts')])
    const around = imageContextOf({ authfile, 'retry-times': retryTimes }, { verify: true }, signal)
    return verifierOf({ policy: policies }, places, around)({ transport: 'docker', image }, signal)
  }
}
