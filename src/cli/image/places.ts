import { homedir, tmpdir } from 'node:os'
import { expansionTo } from '../../archive/expand.ts'
import { systemClock } from '../../core/clock.ts'
import { runHelper } from '../../image/credential-helper.ts'
import type { ClusterRegistry } from '../../image/in-cluster.ts'
import type { ImageContext } from '../../image/open.ts'
import { userContext } from '../user.ts'
import { parseSizeFlag } from '../values.ts'

/** What the image commands' flags say about access to locations. */
export interface PlaceFlags {
  readonly authfile?: string | undefined
  readonly 'retry-times': number
  readonly 'expand-max'?: string | undefined
}

/** Whether certificates are checked, and the command's flag that turns it off. */
export interface TlsWish {
  readonly verify: boolean
  readonly flag?: string
}

/**
 * The context made from flags and environment.
 * @throws Failure 'invalid' for a malformed size
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
    // Docker treats an empty value as unset.
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

/** A kind cluster's registry, as its driver knows it; loaded when a `kind:` location is named. */
async function findRegistry(cluster: string): Promise<ClusterRegistry> {
  const { findClusterRegistry } = await import('../../cluster/open.ts')
  return findClusterRegistry(cluster, userContext())
}
