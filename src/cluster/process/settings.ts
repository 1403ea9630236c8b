import type { Deployment } from '../../config/deployment.ts'
import type { PlatformProperty } from '../../core/platform.ts'
import type { DeployOptions } from '../driver.ts'

/** The second deployment on top of the first; properties by name, the rest as a whole. */
export function layered(below: Deployment, above: Deployment): Deployment {
  const properties = { ...below.properties, ...above.properties }
  return { ...below, ...above, ...(Object.keys(properties).length > 0 && { properties }) }
}

/** The settings that stand in the options themselves. */
export function fromOptions(options: DeployOptions): Deployment {
  const { workers, slots, cacheSizeBytes, properties = [] } = options
  return {
    ...(workers !== undefined && { workers }),
    ...(slots !== undefined && { slots }),
    ...(cacheSizeBytes !== undefined && { cache_size: cacheSizeBytes }),
    ...(properties.length > 0 && { properties: byName(properties) }),
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
