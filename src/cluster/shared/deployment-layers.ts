import type { Deployment } from '../../config/deployment.ts'
import type { PlatformProperty } from '../../core/platform.ts'
import type { DeployOptions } from '../options.ts'

/**
 * Merges the second deployment into the first; properties by name, everything else as a whole. A console that is only
 * requested keeps its settings.
 */
export function layered(below: Deployment, above: Deployment): Deployment {
  const properties = { ...below.properties, ...above.properties }
  const keepsConsole = above.console === true && below.console !== undefined && below.console !== false
  return {
    ...below,
    ...above,
    ...(keepsConsole && { console: below.console }),
    ...(Object.keys(properties).length > 0 && { properties }),
  }
}

/** The settings that are in the options themselves. */
export function fromOptions(options: DeployOptions): Deployment {
  const {
    workers,
    slots,
    cacheSizeBytes,
    private: closed,
    access,
    sandbox,
    console,
    listen,
    tlsHosts,
    insecure,
    properties = [],
  } = options
  const tls = tlsFrom(options)
  return {
    ...(workers !== undefined && { workers }),
    ...(slots !== undefined && { slots }),
    ...(cacheSizeBytes !== undefined && { cache_size: cacheSizeBytes }),
    ...(closed !== undefined && { private: closed }),
    ...(sandbox !== undefined && { sandbox }),
    ...(console !== undefined && { console }),
    ...(listen !== undefined && { listen }),
    ...(tls !== undefined && { tls }),
    ...(tlsHosts !== undefined && { tls_hosts: [...tlsHosts] }),
    ...(insecure !== undefined && { insecure }),
    ...(access !== undefined && { access }),
    ...(properties.length > 0 && { properties: byName(properties) }),
  }
}

/** With `auto`, files override; files alone also mean TLS. */
function tlsFrom({ tls, tlsCert, tlsKey, tlsClientCa }: DeployOptions): Deployment['tls'] {
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return tls
  return {
    ...(tlsCert !== undefined && { cert: tlsCert }),
    ...(tlsKey !== undefined && { key: tlsKey }),
    ...(tlsClientCa !== undefined && { client_ca: tlsClientCa }),
  }
}

function byName(properties: readonly PlatformProperty[]): Record<string, string | string[]> {
  const grouped = Map.groupBy(properties, ({ name }) => name)
  return Object.fromEntries(
    [...grouped].map(([name, each]) => {
      const values = each.map(({ value }) => value)
      return [name, values.length === 1 ? String(values[0]) : values]
    }),
  )
}
