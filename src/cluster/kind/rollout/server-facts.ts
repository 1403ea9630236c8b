import { readSamples, type Samples } from '../../../telemetry/samples.ts'
import type { Kubernetes } from '../../kubernetes/connect.ts'
import { askPod } from '../../kubernetes/pod-web.ts'
import type { Pod } from '../../kubernetes/pods.ts'
import { ports } from '../../manifest/servers.ts'
import { versionIn, versionNotes } from '../../shared/usage.ts'
import type { ServerStatus } from '../../status.ts'
import { serverPods } from './servers.ts'

/** What a pod has to answer in: one that hangs must not keep the others from being shown. */
export const probeMsMax = 2_000

/** The metrics of each server whose pod runs, by the server's name. */
export async function askServers(
  kubernetes: Kubernetes,
  pods: readonly Pod[],
): Promise<ReadonlyMap<string, Samples | undefined>> {
  const asked = serverPods(pods)
    .filter(({ pod }) => pod.status.podIP !== undefined)
    .map(async ({ name, pod }): Promise<[string, Samples | undefined]> => {
      const text = await askPod(kubernetes, pod, { port: ports.metrics, path: '/metrics', msMax: probeMsMax })
      return [name, text === undefined ? undefined : readSamples(text)]
    })
  return new Map(await Promise.all(asked))
}

/** The server with what it says of itself. @param version of the program that asks */
export function withVersion(server: ServerStatus, samples: Samples | undefined, version: string): ServerStatus {
  const said = versionIn(samples)
  return { ...server, version: said, notes: [...server.notes, ...versionNotes(said, version)] }
}
