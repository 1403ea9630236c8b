import type { Step } from '../driver.ts'
import { nodeChecks, parseDockerInfo, preflight } from '../preflight/nodes.ts'
import type { KindContext } from './context.ts'
import { assertOurs, nodesOf } from './nodes.ts'
import { docker, kind, kubectl } from './programs.ts'
import { readKindMemory } from './state.ts'

const startDocker = ['Start docker, or give this user access to its socket; DOCKER_HOST may name another.']

/**
 * The programs answer, no cluster of others has the name, and docker's machine can carry what is to be made.
 * @param kubernetes the release that nodes will run, where it is known
 * @throws (from run) Failure 'precondition' with the cure of everything that is wrong, 'exists' for a foreign cluster
 */
export function preflightStep(context: KindContext, kubernetes?: string): Step {
  return {
    title: 'Docker, kind, kubectl',
    async run({ signal, say }) {
      const [info, own] = await Promise.all([
        docker(context, ['info', '--format', '{{json .}}'], { signal, next: startDocker }),
        kind(context, ['version', '--quiet'], { signal }),
        kubectl(context, ['version', '--client', '--output=json'], { signal }),
      ])
      const facts = parseDockerInfo(info)
      const nodes = await nodesOf(context, signal)
      assertOurs(context, await readKindMemory(context.paths), nodes)
      const wish = { platform: process.platform, ...(kubernetes !== undefined && { kubernetes }) }
      // What runs already has shown that it can.
      const findings = nodes.length > 0 ? [] : await preflight(nodeChecks(facts, wish))
      const notes = findings.filter(({ state }) => state === 'note').map(({ title, found }) => `${title}: ${found}`)
      say([`docker ${facts.ServerVersion}, kind ${own.trim()}`, ...notes].join('; '))
    },
  }
}
