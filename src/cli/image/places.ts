import { homedir, tmpdir } from 'node:os'
import { systemClock } from '../../core/clock.ts'
import { runHelper } from '../../image/credential-helper.ts'
import type { ClusterRegistry } from '../../image/in-cluster.ts'
import type { Surroundings } from '../../image/open.ts'

/** What the flags of the image commands say about reaching places. */
export interface PlaceFlags {
  readonly authfile?: string | undefined
  readonly 'retry-times': number
}

/** Whether certificates are checked, and by which flag of the command they are not. */
export interface TlsWish {
  readonly verify: boolean
  readonly flag?: string
}

/**
 * The surroundings that flags and environment make.
 * @param cacheFolder oclif's, for a command that writes images
 */
export function surroundingsOf(
  flags: PlaceFlags,
  tls: TlsWish,
  signal: AbortSignal,
  cacheFolder?: string,
): Surroundings {
  return {
    tlsVerify: tls.verify,
    tlsFlag: tls.flag,
    cacheFolder,
    login: {
      ...(flags.authfile === undefined ? {} : { authFile: flags.authfile }),
      home: homedir(),
      env: process.env,
      runHelper,
    },
    retryTimes: flags['retry-times'],
    // Empty is what docker takes for not set.
    dockerHost: process.env['DOCKER_HOST'] || undefined,
    temporary: tmpdir(),
    findRegistry,
    clock: systemClock,
    signal,
  }
}

/** The registry of a kind cluster, as its driver knows it; loaded when a `kind:` place is named. */
async function findRegistry(cluster: string): Promise<ClusterRegistry> {
  const { registryPlace } = await import('../../cluster/kind/registry.ts')
  const uid = process.getuid?.() ?? -1
  return registryPlace(cluster, { env: process.env, home: homedir(), tmp: tmpdir(), uid })
}
