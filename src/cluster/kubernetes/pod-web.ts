import { Failure } from '../../core/failure.ts'
import { textOf } from './call.ts'
import type { Kubernetes } from './connect.ts'
import { isPassing } from './failure.ts'
import { type Pod, podsPath } from './pods.ts'

/**
 * What a pod answers at a path of one of its ports, through the API server: this machine cannot always reach pods'
 * addresses.
 * @returns undefined when it does not answer in time, or not with success
 */
export async function askPod(
  kubernetes: Kubernetes,
  { metadata: { name, namespace } }: Pod,
  { port, path, msMax }: { readonly port: number; readonly path: string; readonly msMax: number },
): Promise<string | undefined> {
  const request = {
    path: `${podsPath(namespace)}/${name}:${port}/proxy${path}`,
    accept: '*/*',
    object: `${path} of pod ${namespace}/${name}`,
    msMax,
  }
  try {
    return (await textOf({ ...kubernetes, patience: { msMax: 0 } }, request)).text
  } catch (error) {
    if (isPassing(error) || error instanceof Failure) return undefined
    throw error
  }
}
