import { hasConsole } from '../../../config/deployment.ts'
import { Failure } from '../../../core/failure.ts'
import type { Page } from '../../addresses.ts'
import { isReady, listPods, type Pod } from '../../kubernetes/pods.ts'
import { forwardPort } from '../../kubernetes/port-forward.ts'
import { ports } from '../../manifest/servers.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { contextName } from '../docker/programs.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import { isOf } from '../rollout/servers.ts'
import { readKindMemory } from '../state.ts'

/**
 * The console's page, brought to a port of this machine: it shows command lines and logs, and no Gateway leads to it.
 * @throws Failure 'precondition' without a console, 'unavailable' while its pod is not ready
 */
export async function openPage(context: KindContext, failed: (error: unknown) => void): Promise<Page> {
  const deployment = (await readKindMemory(context.paths))?.deployment
  if (!deployment || !hasConsole(deployment)) throw new Failure('precondition', 'this cluster has no console')
  const kubernetes = await kubernetesOf(context)
  async function consolePod(): Promise<Pod> {
    const pods = await listPods(kubernetes, namespaceOf(context))
    const ready = pods.find((pod) => isOf(pod, 'console') && isReady(pod))
    if (ready) return ready
    throw new Failure('unavailable', 'the console is not ready', { next: ['`native status` says what it lacks.'] })
  }
  await consolePod()
  const { kubeconfig } = context.paths
  const forwarded = await forwardPort({
    kubeconfig,
    context: contextName(context),
    pod: consolePod,
    port: ports.console,
    failed,
  })
  return { url: `http://127.0.0.1:${forwarded.port}`, close: forwarded.close }
}
