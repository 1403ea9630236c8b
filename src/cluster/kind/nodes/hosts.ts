import type { Step } from '../../driver.ts'
import type { KindContext } from '../context.ts'
import { docker } from '../docker/programs.ts'
import { registryName } from '../images/registry.ts'
import { readKindMemory } from '../state.ts'
import { hostFolder, hostsToml, mergedMirrors, parseMirror } from './mirrors.ts'
import { nodesOf } from './nodes.ts'

/** containerd reads this at each pull, so it need not be restarted (containerd, docs/hosts.md). */
const hostsFolder = '/etc/containerd/certs.d'

/** Tells every node where the cluster's registry and the mirrors are. */
export function hostsStep(context: KindContext): Step {
  return {
    title: 'Registries that nodes know',
    async run({ signal, say }) {
      const memory = await readKindMemory(context.paths)
      const files = hostFiles(mergedMirrors(context.settings.mirrors, memory?.mirrors ?? []))
      const nodes = await nodesOf(context, signal)
      await Promise.all(nodes.map(({ name }) => writeFiles(context, name, files, signal)))
      say([...files.keys()].join(', '))
    },
  }
}

/** The content of each host's file. */
export function hostFiles(mirrors: readonly string[]): ReadonlyMap<string, string> {
  const byHost = Map.groupBy(mirrors.map(parseMirror), ({ host }) => host)
  const files = [...byHost].map(([host, each]) => [host, hostsToml(each.map(({ url }) => url))] as const)
  // Last, so that no mirror takes precedence over what was just built.
  return new Map([...files, [registryName, hostsToml([`http://${registryName}`])]])
}

async function writeFiles(
  context: KindContext,
  node: string,
  files: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const folders = [...files.keys()].map((host) => `${hostsFolder}/${hostFolder(host)}`)
  await docker(context, ['exec', node, 'mkdir', '-p', ...folders], { signal })
  for (const [host, input] of files) {
    const file = `${hostsFolder}/${hostFolder(host)}/hosts.toml`
    await docker(context, ['exec', '-i', node, 'cp', '/dev/stdin', file], { signal, input })
  }
}
