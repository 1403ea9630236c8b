import { homedir, tmpdir } from 'node:os'
import { expansionTo } from '../../archive/expand.ts'
import { systemClock } from '../../core/clock.ts'
import { runHelper } from '../../image/credential-helper.ts'
import type { ClusterRegistry } from '../../image/in-cluster.ts'
import type { ImageContext } from '../../image/open.ts'
import { userContext } from '../user.ts'
import { parseSizeFlag } from '../values.ts'

/** What the flags of the image commands say about reaching places. */
export interface PlaceFlags {
  readonly authfile?: string | undefined
  readonly 'retry-times': number
  readonly 'expand-max'?: string | undefined
}

/** Whether certificates are checked, and by which flag of the command they are not. */
export interface TlsWish {
  readonly verify: boolean
  readonly flag?: string
}

/**
 * The surroundings that flags and environment make.
 * @throws Failure 'invalid' for a size that is none
 * @param cacheFolder oclif's, for a command that writes images
 */
export function imageContextOf(
  flags: PlaceFlags,
  tls: TlsWish,
  signal: AbortSignal,
  cacheFolder?: string,
): ImageContext {
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
    ...(flags['expand-max'] === undefined
      ? {}
      : { expansion: expansionTo(parseSizeFlag(flags['expand-max'], '--expand-max')) }),
    findRegistry,
    clock: systemClock,
    signal,
  }
}

/** The registry of a kind cluster, as its driver knows it; loaded when a `kind:` place is named. */
async function findRegistry(cluster: string): Promise<ClusterRegistry> {
  const { findClusterRegistry } = await import('../../cluster/open.ts')
  return findClusterRegistry(cluster, userContext())
}
