import { Flags } from '@oclif/core'
import type { TlsWish } from './places.ts'

/** The heading in a command's help under which the flags are listed. */
interface Place {
  readonly helpGroup?: string
}

/** Logins and retries, for every command that accesses a registry. */
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

/** Whether this registry's certificates are checked, like skopeo's flag of the same name. */
export function tlsFlag(registry: string, { helpGroup }: Place = {}) {
  return Flags.option({
    summary: `with false: accept any certificate of ${registry}, and plain HTTP`,
    options: ['true', 'false'] as const,
    default: 'true',
    ...(helpGroup === undefined ? {} : { helpGroup }),
  })()
}

/** The flags of a command that accesses one registry. */
export const oneRegistryFlags = { ...registryFlags(), 'tls-verify': tlsFlag('the registry') }

/** The value of `tlsFlag`, with the flag's name. */
export function tlsWish<Name extends string>(flags: Readonly<Record<Name, 'true' | 'false'>>, name: Name): TlsWish {
  return { verify: flags[name] === 'true', flag: `--${name}=false` }
}
