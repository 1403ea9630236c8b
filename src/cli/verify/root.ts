import { Failure, messageOf } from '../../core/failure.ts'
import { type Root, rootOf, shippedRoot } from '../../trust/root.ts'
import { readRootFile, rootInFile } from '../../trust/root-file.ts'

/** Where the trusted root comes from. */
export interface RootPlace {
  /** A trusted_root.json. */
  readonly file?: string | undefined
  /** URL of a TUF repository whose target trusted_root.json is used. */
  readonly tufMirror?: string | undefined
  /** That repository's root.json, for the first time; not needed for sigstore.dev. */
  readonly tufRoot?: string | undefined
  /** A folder for TUF's metadata. */
  readonly cache: string
  /** Environment variables with the proxy and the authorities for accessing the repository. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

const timeMsMax = 10_000

/**
 * The trusted root for a verification: from a file, a TUF repository (online), or by default the one that is shipped,
 * without any network access.
 * @throws Failure 'not-found', 'invalid', 'unavailable'
 */
export async function openRoot(place: RootPlace): Promise<Root> {
  if (place.file !== undefined) return rootInFile(place.file)
  if (place.tufMirror !== undefined) return fetchRoot(place.tufMirror, place)
  return shippedRoot()
}

async function fetchRoot(mirror: string, { tufRoot, cache, env = {} }: RootPlace): Promise<Root> {
  if (tufRoot !== undefined) await readRootFile(tufRoot)
  if (!URL.canParse(mirror)) throw new Failure('invalid', `"${mirror}" is not a URL`, { where: '--tuf-mirror' })
  try {
    // Loaded only here: verification without it must start quickly.
    const { getTrustedRoot } = await import('@sigstore/tuf')
    const { withNetwork } = await import('../../image/network/process.ts')
    const root = await withNetwork(new URL(mirror), env, () =>
      getTrustedRoot({
        mirrorURL: mirror.replace(/\/+$/, ''),
        cachePath: cache,
        // A root that was given takes precedence over what an earlier call left in the cache.
        ...(tufRoot === undefined ? {} : { rootPath: tufRoot, forceInit: true }),
        retry: { retries: 2 },
        timeout: timeMsMax,
      }),
    )
    return rootOf(root, `${mirror} (TUF)`)
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    throw new Failure('unavailable', `cannot get a trusted root by TUF: ${messageOf(cause)}`, {
      where: mirror,
      next: [
        'Without --tuf-mirror, the root that comes with native is used, which needs no network.',
        ...(tufRoot === undefined ? ['A mirror other than sigstore.dev needs --tuf-root FILE, its root.json.'] : []),
      ],
      cause,
    })
  }
}
