import { z } from 'zod'
import { Failure } from '../../../core/failure.ts'
import type { KindContext, ProgramContext } from '../context.ts'
import { readNetwork } from '../docker/network.ts'
import { docker } from '../docker/programs.ts'
import type { KindMemory } from '../state.ts'

/** kind's label on each node; its value is the cluster's name. */
const clusterLabel = 'io.x-k8s.kind.cluster'

export interface Node {
  readonly id: string
  readonly name: string
  readonly running: boolean
}

const listed = z.object({ ID: z.string(), Names: z.string(), State: z.string() })

/** The nodes of the kind cluster of this name, whoever made it. */
export async function nodesOf(context: ProgramContext, signal?: AbortSignal): Promise<Node[]> {
  const filter = `label=${clusterLabel}=${context.paths.name}`
  const args = ['ps', '--all', '--no-trunc', '--filter', filter, '--format', '{{json .}}']
  const text = await docker(context, args, signal ? { signal } : {})
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => listed.parse(JSON.parse(line)))
    .map(({ ID, Names, State }) => ({ id: ID, name: Names, running: State === 'running' }))
}

/**
 * Checks that this cluster is the one we made. Before its container is known, the record that it is being made is
 * enough: the name was free then.
 * @throws Failure 'exists' for somebody else's cluster
 */
export function assertOurs(context: KindContext, memory: KindMemory | undefined, nodes: readonly Node[]): void {
  if (nodes.length === 0) return
  if (memory && (memory.container === null || nodes.some(({ id }) => id === memory.container))) return
  throw new Failure('exists', `there is a kind cluster "${context.paths.name}" that this program did not make`, {
    where: nodes[0]?.name ?? context.paths.name,
    next: [
      'Give another name with --name, or remove that cluster with `kind delete cluster --name ...`.',
      'If it was made by `native` and only its state folder is lost, `native down --driver kind` removes it.',
    ],
  })
}

/** The same for removal: if nothing is remembered, nodes in a network labelled as ours are ours. */
export async function areOurs(
  context: KindContext,
  memory: KindMemory | undefined,
  nodes: readonly Node[],
): Promise<boolean> {
  if (memory && (memory.container === null || nodes.some(({ id }) => id === memory.container))) return true
  const network = await readNetwork(context)
  if (!network?.ours) return false
  const inside = await docker(context, ['ps', '--all', '--quiet', '--no-trunc', '--filter', `network=${network.id}`])
  const ids = new Set(inside.split('\n'))
  return nodes.every(({ id }) => ids.has(id))
}
