import { Flags } from '@oclif/core'
import type { TlsWish } from './places.ts'

/** Under which heading of a command's help the flags are. */
interface Place {
  readonly helpGroup?: string
}

/** Logins and retries, for every command that reaches a registry. */
export function registryFlags({ helpGroup }: Place = {}, retryTimes = 3) {
  const place = helpGroup === undefined ? {} : { helpGroup }
  return {
    authfile: Flags.file({ summary: 'file with the logins of registries', env: 'REGISTRY_AUTH_FILE', ...place }),
    'retry-times': Flags.integer({
      summary: 'how often to retry requests that fail for a passing reason',
      default: retryTimes,
      min: 0,
      max: 20,
      ...place,
    }),
  }
}

/** Whether certificates of this registry are checked, as skopeo's flag of this name. */
export function tlsFlag(registry: string, { helpGroup }: Place = {}) {
  return Flags.option({
    summary: `with false: accept any certificate of ${registry}, and plain HTTP`,
    options: ['true', 'false'] as const,
    default: 'true',
    ...(helpGroup === undefined ? {} : { helpGroup }),
  })()
}

/** The flags of a command that reaches one registry. */
export const oneRegistryFlags = { ...registryFlags(), 'tls-verify': tlsFlag('the registry') }

/** What `tlsFlag` was given, under the name of its flag. */
export function tlsWish<Name extends string>(flags: Readonly<Record<Name, 'true' | 'false'>>, name: Name): TlsWish {
  return { verify: flags[name] === 'true', flag: `--${name}=false` }
}
