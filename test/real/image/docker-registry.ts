import { onTestFinished } from 'vitest'
import { type DockerRegistry, type DockerRegistryOptions, launchDockerRegistry } from '../../fixture/docker-registry.ts'

/** Debian's docker-registry in a test's folder, until the test ends. */
export async function startDockerRegistry(
  folder: string,
  options: DockerRegistryOptions = {},
): Promise<DockerRegistry> {
  const registry = await launchDockerRegistry(folder, options)
  onTestFinished(registry.stop)
  return registry
}
