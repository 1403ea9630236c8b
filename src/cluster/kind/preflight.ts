import type { Step } from '../driver.ts'
import type { UpOptions } from '../options.ts'
import { nodeChecks, parseDockerInfo, preflight } from '../preflight/nodes.ts'
import { assertHelm } from './addons/cilium.ts'
import { clusterSpecOf } from './cluster-spec.ts'
import type { KindContext } from './context.ts'
import { docker, kind, kubectlVersion } from './docker/programs.ts'
import { archiveNames } from './images/archives.ts'
import { assertOurs, nodesOf } from './nodes/nodes.ts'
import { endOrphanedKind } from './nodes/orphaned-kind.ts'
import { assertKindVersion, kubernetesIn } from './nodes/versions.ts'
import { readKindMemory } from './state.ts'

/**
 * Checks whether the request is possible: the programs answer, nobody else's cluster has the name, and docker's machine
 * can carry the nodes. Nothing is changed.
 * @throws (from run) Failure 'invalid' and 'precondition' of what is asked for, 'precondition' with the cure of
 *   everything that is wrong, 'exists' for a foreign cluster
 */
export function preflightStep(context: KindContext, options: UpOptions): Step {
  return {
    title: 'Docker, kind, kubectl',
    async run({ signal, say }) {
      const memory = await readKindMemory(context.paths)
      const asked = clusterSpecOf(options, memory, context.settings, context.cwd)
      for (const file of asked.archives) await archiveNames(file, context.user.tmp)
      const [info, own, client] = await Promise.all([
        docker(context, ['info', '--format', '{{json .}}'], { signal }),
        kind(context, ['version', '--quiet'], { signal }),
        kubectlVersion(context, signal),
        ...(asked.profile === 'cilium' ? [assertHelm(context, signal)] : []),
      ])
      assertKindVersion(own)
      const orphans = await endOrphanedKind(context, signal)
      const nodes = await nodesOf(context, signal)
      assertOurs(context, memory, nodes)
      const facts = parseDockerInfo(info)
      const wish = { platform: process.platform, ...kubernetesIn(asked.nodeImage, own) }
      // A running cluster has shown that it is possible.
      const findings = nodes.length > 0 ? [] : await preflight(nodeChecks(facts, wish))
      const notes = findings.filter(({ state }) => state === 'note').map(({ title, found }) => `${title}: ${found}`)
      const ended = orphans === 0 ? [] : ['a kind that an earlier call left behind was ended']
      const versions = `docker ${facts.ServerVersion}, kind ${own.trim()}, kubectl ${client}`
      say([versions, ...notes, ...ended].join('; '))
    },
  }
}
