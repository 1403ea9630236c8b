import { Failure } from '../../core/failure.ts'
import type { DeployOptions, UpOptions } from '../driver.ts'

/** The flags whose subject is a cluster of nodes. */
const flagOf = {
  nodes: '--nodes',
  nodeImage: '--image',
  kubernetesVersion: '--kubernetes-version',
  gateway: '--gateway',
  imageArchives: '--image-archive',
  registryMirrors: '--registry-mirror',
  publish: '--publish',
  image: '--image',
  workerImage: '--worker-image',
  base: '--base',
  workerBase: '--worker-base',
  insecureIgnoreSignature: '--insecure-ignore-signature',
  only: '--only',
} as const

/**
 * Refuses what processes of this machine have no use for: a flag that does nothing would mislead.
 * @throws Failure 'invalid'
 */
export function assertNothingOfNodes(options: UpOptions | DeployOptions): void {
  for (const [key, flag] of Object.entries(flagOf)) {
    if (!Object.hasOwn(options, key)) continue
    throw new Failure('invalid', `${flag} is of no use where the servers are processes of this machine`, {
      where: flag,
      next: ['Leave it away, or say --driver kind.'],
    })
  }
}
