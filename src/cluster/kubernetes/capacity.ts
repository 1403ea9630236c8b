import { z } from 'zod'
import type { FailureKind } from '../../core/failure.ts'

/** What is read from a node. */
export const nodeSchema = z.object({
  metadata: z.object({ name: z.string() }),
  status: z
    .object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]) })
    .prefault({}),
  spec: z.object({ taints: z.array(z.object({ key: z.string() })).default([]) }).prefault({}),
})
export type NodeState = z.output<typeof nodeSchema>

export const nodesPath = '/api/v1/nodes'

/** The state of the nodes for a pod that fits on none. */
export interface NodeCapacity {
  /** How many pods are being removed: until they are gone they hold the resources they requested. */
  readonly ending: number
  /** Some were being removed, and are gone. */
  readonly ended: boolean
  /** Nodes that accept no pods now, though they may later. */
  readonly unready: readonly string[]
}

/** A node that has just become ready still has to lose its taint. */
const graceMs = 5_000
/** The scheduler reconsiders an unschedulable pod after 10 s at the latest. */
const endedGraceMs = 15_000
/** For programs that are asked to end: kubelet kills them then. */
const endingGraceMs = 90_000
/** For a node that restarts. */
const unreadyGraceMs = 90_000

/** The taints that Kubernetes itself sets on an unhealthy or absent node; kubelet removes them. */
const ownTaints = 'node.kubernetes.io/'

/** Does the node accept no pods now? */
export function isUnready({ status, spec }: NodeState): boolean {
  const ready = status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True')
  return !ready || spec.taints.some(({ key }) => key.startsWith(ownTaints))
}

/** As a Trouble (trouble.ts) has it. */
interface NoPlace {
  readonly kind: FailureKind
  readonly message: string
  readonly said: string
  readonly next: string
  readonly graceMs: number
}

/** The trouble of a pod that fits on no node: what helps depends on why there is no room. */
export function noPlace(pod: string, said: string, { ending, ended, unready }: NodeCapacity): NoPlace {
  if (unready.length > 0)
    return {
      kind: 'unavailable',
      message: `no node can take ${pod} while ${unready.join(', ')} ${unready.length === 1 ? 'is' : 'are'} not ready`,
      said,
      next: `\`kubectl describe node ${unready[0]}\` tells what it lacks; \`native up\` starts nodes that are stopped.`,
      graceMs: unreadyGraceMs,
    }
  const next = 'Ask for fewer --workers or --slots, or give the cluster more nodes.'
  if (ending > 0)
    return {
      kind: 'exhausted',
      message: `no node can take ${pod} while ${ending} that are being removed hold their place`,
      said,
      next,
      graceMs: endingGraceMs,
    }
  const message = `no node can take ${pod}`
  return { kind: 'exhausted', message, said, next, graceMs: ended ? endedGraceMs : graceMs }
}
