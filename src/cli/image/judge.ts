import type { ImageVerifier } from '../../cluster/open-options.ts'
import type { Places } from './verify.ts'

const retryTimes = 3

/** How a driver verifies a published image before it deploys it: like `native image verify`. */
export function imageJudge(places: Places, authfile: string | undefined): ImageVerifier {
  return async (image, policies, signal) => {
    // Verification is a lot of code; a deployment of what was built here should not wait for it.
    const [{ verifierOf }, { imageContextOf }] = await Promise.all([import('./verify.ts'), import('./places.ts')])
    const around = imageContextOf({ authfile, 'retry-times': retryTimes }, { verify: true }, signal)
    return verifierOf({ policy: policies }, places, around)({ transport: 'docker', image }, signal)
  }
}
