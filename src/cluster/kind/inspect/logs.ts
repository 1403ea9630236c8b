import { Failure } from '../../../core/failure.ts'
import type { LogLine, LogOptions } from '../../driver.ts'
import { followLogs, type NamedPod, recentLogs } from '../../kubernetes/logs.ts'
import { listPods, type Pod } from '../../kubernetes/pods.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import { serverPods } from '../rollout/servers.ts'
import { readKindMemory } from '../state.ts'

/**
 * Lines of the servers' pods, ordered by time; with follow, as they arrive, including those of pods created by a
 * redeployment.
 * @throws Failure 'not-found' without a cluster, or a server of that name
 */
export async function* clusterLogs(context: KindContext, options: LogOptions): AsyncGenerator<LogLine, void> {
  const { paths } = context
  if (!(await readKindMemory(paths))?.container)
    throw new Failure('not-found', `there is no cluster "${paths.name}"`, { next: ['Run `native deploy` first.'] })
  const { lines, sinceMs, signal } = options
  const namespace = namespaceOf(context)
  const kubernetes = await kubernetesOf(context, options.follow ? { say: () => undefined } : undefined)
  const chosen = chooser(options.servers)
  const pods = await listPods(kubernetes, namespace, signal)
  assertKnown(options.servers, pods)
  if (options.follow) yield* followLogs(kubernetes, { namespace, lines, sinceMs, signal, choose: chosen })
  else yield* recentLogs(kubernetes, chosen(pods), { lines, sinceMs, signal })
}

/** Pods being removed have no name any more; a follower keeps the one that they had. */
function chooser(servers: readonly string[]): (pods: readonly Pod[]) => NamedPod[] {
  return (pods) => serverPods(pods).filter(({ name }) => servers.length === 0 || servers.includes(name))
}

function assertKnown(servers: readonly string[], pods: readonly Pod[]): void {
  const names = serverPods(pods).map(({ name }) => name)
  const unknown = servers.find((name) => !names.includes(name))
  if (unknown === undefined) return
  throw new Failure('not-found', `there is no server "${unknown}"`, {
    next: [names.length === 0 ? 'Run `native deploy` first.' : `There are ${names.join(', ')}.`],
  })
}
