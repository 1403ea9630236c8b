import type { UserContext } from '../host/user-folders.ts'
import type { ClusterRegistry } from '../image/in-cluster.ts'
import { type DriverDeclaration, withDeclaredOptions } from './declaration.ts'
import type { Driver } from './driver.ts'
import { kindDeclaration } from './kind/declaration.ts'
import type { OpenOptions } from './open-options.ts'
import { processDeclaration } from './process/declaration.ts'
import type { DriverKind } from './status.ts'

/** Every driver, in the order of preference where nothing else decides. */
export const declarations: Readonly<Record<DriverKind, DriverDeclaration>> = {
  process: processDeclaration,
  kind: kindDeclaration,
}

/**
 * The driver of this kind for the cluster of this name; no other one is loaded.
 * @throws Failure of the driver's own settings
 */
export async function openDriver(kind: DriverKind, options: OpenOptions): Promise<Driver> {
  const driver = await opened[kind](options)
  return withDeclaredOptions(driver, declarations[kind], Object.values(declarations))
}

const opened: Readonly<Record<DriverKind, (options: OpenOptions) => Promise<Driver>>> = {
  process: async (options) => (await import('./process/driver.ts')).openProcessDriver(options),
  kind: async (options) => (await import('./kind/driver.ts')).openKindDriver(options),
}

/**
 * The registry of a cluster of this user, for `kind:[CLUSTER]` places of images.
 * @throws Failure 'not-found' without one
 */
export async function findClusterRegistry(name: string, user: UserContext): Promise<ClusterRegistry> {
  const { registryPlace } = await import('./kind/images/registry.ts')
  return registryPlace(name, user)
}
