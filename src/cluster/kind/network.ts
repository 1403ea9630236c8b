import { z } from 'zod'
import { Failure } from '../../core/failure.ts'
import type { DockerNetwork } from '../manifest/pool.ts'
import type { KindContext } from './context.ts'
import { docker, networkName } from './programs.ts'

const inspected = z
  .array(
    z.object({
      Id: z.string(),
      Labels: z.record(z.string(), z.string()).nullable(),
      IPAM: z.object({
        Config: z.array(z.object({ Subnet: z.string(), Gateway: z.string().optional() })).nullable(),
      }),
      Containers: z.record(z.string(), z.object({ IPv4Address: z.string() })).nullable(),
    }),
  )
  .length(1)

const ownerLabel = 'native.cluster'

export interface Network extends DockerNetwork {
  readonly id: string
  readonly ours: boolean
}

/** The cluster's docker network; undefined when there is none. */
export async function readNetwork(context: KindContext): Promise<Network | undefined> {
  const name = networkName(context)
  const ids = await docker(context, ['network', 'ls', '--quiet', '--filter', `name=^${name}$`])
  if (ids.trim() === '') return undefined
  const [found] = inspected.parse(JSON.parse(await docker(context, ['network', 'inspect', name])))
  const ipv4 = found?.IPAM.Config?.find(({ Subnet }) => !Subnet.includes(':'))
  if (!found || !ipv4) throw new Failure('precondition', 'the docker network has no IPv4 addresses', { where: name })
  const containers = Object.values(found.Containers ?? {}).map(({ IPv4Address }) => IPv4Address)
  return {
    id: found.Id,
    ours: found.Labels?.[ownerLabel] === context.paths.name,
    subnet: ipv4.Subnet,
    taken: [ipv4.Gateway, ...containers].filter((each): each is string => each !== undefined && each !== ''),
  }
}

/** Makes it. */
export async function createNetwork(context: KindContext, signal: AbortSignal): Promise<void> {
  const label = `${ownerLabel}=${context.paths.name}`
  await docker(context, ['network', 'create', '--driver', 'bridge', '--label', label, networkName(context)], { signal })
}

/** Removes it when it is ours. @returns whether there was one */
export async function removeNetwork(context: KindContext): Promise<boolean> {
  const network = await readNetwork(context)
  if (!network?.ours) return false
  await docker(context, ['network', 'rm', network.id])
  return true
}
