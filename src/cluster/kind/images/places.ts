import { join } from 'node:path'
import { cacheRootOf } from '../../../host/user-folders.ts'
import { runHelper } from '../../../image/credential-helper.ts'
import type { ImageContext } from '../../../image/open.ts'
import type { KindContext } from '../context.ts'
import { registryPlace } from './registry.ts'

const retryTimes = 3

/** How images are reached from here, with the user's logins. */
export function imagePlaces(context: KindContext, signal: AbortSignal): ImageContext {
  const { env, home, tmp } = context.user
  const authFile = env['REGISTRY_AUTH_FILE']
  return {
    tlsVerify: true,
    login: { home, env, runHelper, ...(authFile ? { authFile } : {}) },
    retryTimes,
    dockerHost: env['DOCKER_HOST'],
    temporary: tmp,
    clock: context.clock,
    signal,
    findRegistry: (cluster) => registryPlace(cluster, context.user),
  }
}

/** Where fetched sources and Node's archives are kept; `native image` keeps its own in the same folder. */
export function imageCache({ user }: KindContext): string {
  return join(cacheRootOf(user), 'images')
}
