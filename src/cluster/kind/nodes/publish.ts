import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { ifThere } from '../../../host/files.ts'
import { nodePorts } from '../../manifest/published.ts'
import { choosePorts } from '../../shared/ports.ts'
import type { KindContext } from '../context.ts'
import { type Network, readNetwork } from '../docker/network.ts'
import { containersReachable } from '../docker/reachable.ts'
import type { KindMemory } from '../state.ts'
import type { Published } from './config.ts'

/**
 * Decides whether the Gateways are published on ports of 127.0.0.1, and on which: by default they are where containers
 * cannot be reached by their addresses.
 */
export async function choosePublished(
  context: KindContext,
  memory: KindMemory,
): Promise<Pick<KindMemory, 'publish' | 'published'>> {
  const publish = memory.publish ?? !(await isReachable(context))
  if (!publish) return { publish, published: null }
  // The cluster does not exist yet: a port that was taken since it was chosen is replaced.
  const { ports } = await choosePorts(['cas', 'scheduler'], {}, new Set())
  const { cas, scheduler } = ports
  return { publish, published: cas && scheduler ? { cache: cas, scheduler } : null }
}

/** The port mappings for kind. */
export function portMappingsOf({ published }: KindMemory): Published[] {
  if (!published) return []
  return [
    { hostPort: published.cache, nodePort: nodePorts.cache },
    { hostPort: published.scheduler, nodePort: nodePorts.scheduler },
  ]
}

async function isReachable(context: KindContext): Promise<boolean> {
  const network = await readNetwork(context)
  const user = {
    platform: process.platform,
    env: context.user.env,
    kernel: (await ifThere(readFile('/proc/version', 'utf8'))) ?? '',
  }
  return network !== undefined && isHere(network) && containersReachable(user)
}

/**
 * Does docker run on this machine itself? Then the network's gateway is an interface here; in a virtual
 * machine, or for a user without root, it is one elsewhere.
 */
export function isHere({ gateway }: Pick<Network, 'gateway'>, interfaces = networkInterfaces()): boolean {
  return Object.values(interfaces).some((each) => each?.some(({ address }) => address === gateway))
}
