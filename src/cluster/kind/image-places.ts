import { isAbsolute, join } from 'node:path'
import { runHelper } from '../../image/credential-helper.ts'
import type { Surroundings } from '../../image/open.ts'
import type { KindContext } from './context.ts'
import { registryPlace } from './registry.ts'

const retryTimes = 3

/** How images are reached from here, with the user's logins. */
export function imagePlaces(context: KindContext, signal: AbortSignal): Surroundings {
  const { env, home, tmp } = context.surroundings
  const authFile = env['REGISTRY_AUTH_FILE']
  return {
    tlsVerify: true,
    login: { home, env, runHelper, ...(authFile ? { authFile } : {}) },
    retryTimes,
    dockerHost: env['DOCKER_HOST'],
    temporary: tmp,
    clock: context.clock,
    signal,
    findRegistry: (cluster) => registryPlace(cluster, context.surroundings),
  }
}

/** Where fetched sources and Node's archives are kept; `native image` keeps its own in the same folder. */
export function imageCache({ surroundings: { env, home } }: KindContext): string {
  const given = env['XDG_CACHE_HOME']
  const usual = process.platform === 'darwin' ? join(home, 'Library/Caches') : join(home, '.cache')
  return join(given && isAbsolute(given) ? given : usual, 'native/images')
}
