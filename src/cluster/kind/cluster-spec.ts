import { resolve } from 'node:path'
import { countText } from '../../core/count-text.ts'
import { Failure } from '../../core/failure.ts'
import type { GatewayProfile, UpOptions } from '../options.ts'
import type { KindSettings } from './context.ts'
import { mergedMirrors, parseMirror } from './nodes/mirrors.ts'
import { nodeImageOf } from './nodes/versions.ts'
import type { KindMemory } from './state.ts'

/** What a cluster should be like: from flags, memory and settings, in this order. */
export interface ClusterSpec {
  readonly profile: GatewayProfile
  readonly nodes: number
  readonly nodeImage: string | null
  /** Absolute paths of files given now; remembered ones are kept in addition. */
  readonly archives: readonly string[]
  readonly mirrors: string[]
  readonly publish: boolean | null
}

/**
 * What `up` should make, or has made. Archives and mirrors can be added to a cluster; what its nodes are made from is
 * fixed while it exists.
 * @param cwd what relative paths are resolved against
 * @throws Failure 'invalid' for invalid flags, 'precondition' for a value other than the cluster's
 */
export function clusterSpecOf(
  options: UpOptions,
  memory: KindMemory | undefined,
  settings: KindSettings,
  cwd: string,
): ClusterSpec {
  const image = imageOf(options)
  const mirrors = options.registryMirrors ?? []
  for (const each of mirrors) parseMirror(each)
  if (memory?.container) assertSame(options, image, memory)
  return {
    profile: options.gateway ?? memory?.profile ?? settings.profile,
    nodes: options.nodes ?? memory?.nodes ?? settings.nodes,
    nodeImage: image ?? (memory ? memory.nodeImage : (settings.nodeImage ?? null)),
    archives: (options.imageArchives ?? []).map((each) => resolve(cwd, each)),
    mirrors: [...mergedMirrors(memory?.mirrors ?? [], mirrors)],
    publish: options.publish ?? memory?.publish ?? null,
  }
}

function imageOf({ nodeImage, kubernetesVersion }: UpOptions): string | undefined {
  if (nodeImage !== undefined && kubernetesVersion !== undefined)
    throw new Failure('invalid', 'the image of the nodes already says which Kubernetes is in it', {
      where: '--kubernetes-version',
      next: ['Leave out --image or --kubernetes-version.'],
    })
  return kubernetesVersion === undefined ? nodeImage : nodeImageOf(kubernetesVersion).image
}

function assertSame(options: UpOptions, image: string | undefined, memory: KindMemory): void {
  const { nodes, gateway, publish } = options
  const imageFlag = options.kubernetesVersion === undefined ? '--image' : '--kubernetes-version'
  const differs: readonly (readonly [boolean, string, string, string])[] = [
    [nodes !== undefined && nodes !== memory.nodes, '--nodes', countText(memory.nodes, 'node'), String(nodes)],
    [image !== undefined && image !== memory.nodeImage, imageFlag, memory.nodeImage ?? "kind's own image", `${image}`],
    [gateway !== undefined && gateway !== memory.profile, '--gateway', memory.profile, `${gateway}`],
    [
      publish !== undefined && memory.publish !== null && publish !== memory.publish,
      publish ? '--publish' : '--no-publish',
      memory.publish ? 'published Gateways' : 'no published Gateways',
      publish ? 'published ones' : 'none',
    ],
  ]
  for (const [isOther, where, has, wanted] of differs)
    if (isOther)
      throw new Failure('precondition', `cluster "${memory.name}" was made with ${has}, not with ${wanted}`, {
        where,
        next: ['Its nodes cannot be changed: run `native down` first, and `native up` again.'],
      })
}
