import { z } from 'zod'
import { Failure } from '../../../core/failure.ts'
import type { DockerNetwork } from '../../manifest/pool.ts'
import type { ProgramContext } from '../context.ts'
import { isOurs, labelArguments } from './labels.ts'
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

export interface Network extends DockerNetwork {
  readonly id: string
  readonly ours: boolean
  /** This machine's address in it, where docker runs on this machine. */
  readonly gateway: string | undefined
}

/** The cluster's docker network; undefined when there is none. */
export async function readNetwork(context: ProgramContext): Promise<Network | undefined> {
  const name = networkName(context)
  const ids = await docker(context, ['network', 'ls', '--quiet', '--no-trunc', '--filter', `name=^${name}$`])
  const [id] = ids.split('\n')
  if (!id) return undefined
  const [found] = inspected.parse(JSON.parse(await docker(context, ['network', 'inspect', id])))
  const ipv4 = found?.IPAM.Config?.find(({ Subnet }) => !Subnet.includes(':'))
  if (!found || !ipv4) throw new Failure('precondition', 'the docker network has no IPv4 addresses', { where: name })
  const containers = Object.values(found.Containers ?? {}).map(({ IPv4Address }) => IPv4Address)
  return {
    id: found.Id,
    ours: isOurs(context, found.Labels),
    subnet: ipv4.Subnet,
    taken: [ipv4.Gateway, ...containers].filter((each): each is string => each !== undefined && each !== ''),
    gateway: ipv4.Gateway,
  }
}

/**
 * Creates it unless it exists.
 * @returns whether it was made now
 * @throws Failure 'exists' for somebody else's network of that name
 */
export async function ensureNetwork(context: ProgramContext, signal: AbortSignal): Promise<boolean> {
  const name = networkName(context)
  const network = await readNetwork(context)
  if (network?.ours) return false
  if (network)
    throw new Failure('exists', `there is a docker network "${name}" that was not made for this cluster`, {
      where: name,
      next: [`Give another cluster name with --name, or remove it with \`docker network rm ${name}\`.`],
    })
  await docker(context, ['network', 'create', '--driver', 'bridge', ...labelArguments(context), name], { signal })
  return true
}

/**
 * Removes it if it is ours.
 * @returns whether there was one
 * @throws Failure 'program' while something else is in it, with docker's words
 */
export async function removeNetwork(context: ProgramContext): Promise<boolean> {
  const network = await readNetwork(context)
  if (!network?.ours) return false
  await docker(context, ['network', 'rm', network.id], {
    next: ['Disconnect other containers from it with `docker network disconnect`, then run `native down` again.'],
  })
  return true
}
