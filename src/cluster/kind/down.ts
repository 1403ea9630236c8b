import { removeLoginsOf } from '../../access/logins.ts'
import { countText } from '../../core/count-text.ts'
import { isThere } from '../../host/files.ts'
import type { Step } from '../driver.ts'
import { locked } from '../shared/locked-steps.ts'
import type { KindContext } from './context.ts'
import { removeNetwork } from './docker/network.ts'
import { removeRegistry } from './images/registry.ts'
import { deleteCluster } from './nodes/cluster.ts'
import { removeContext } from './nodes/kubeconfig.ts'
import { areOurs, nodesOf } from './nodes/nodes.ts'
import { endOrphanedKind } from './nodes/orphaned-kind.ts'
import { readKindMemoryIfWhole } from './state.ts'
import { removeState } from './state-step.ts'

/**
 * Removes everything that `up` made, and the memory of it last: a `down` that was interrupted is finished by the next.
 * The data is inside the nodes and goes with them.
 */
export function downSteps(context: KindContext): Step[] {
  const work: Work = { foundOurs: false }
  return locked(context, false, [clusterStep(context, work), networkStep(context), stateStep(context, work)])
}

interface Work {
  /** Nodes existed and were ours, whatever was remembered about them. */
  foundOurs: boolean
}

function clusterStep(context: KindContext, work: Work): Step {
  return {
    title: 'Kind cluster',
    async run({ signal, say }) {
      const orphans = await endOrphanedKind(context, signal)
      const nodes = await nodesOf(context, signal)
      if (nodes.length === 0) return say(orphans === 0 ? 'nothing was there' : 'one that was being created was stopped')
      if (!(await areOurs(context, await readKindMemoryIfWhole(context.paths), nodes)))
        return say('there is one that native did not write; it stays')
      work.foundOurs = true
      const removed = await deleteCluster(context, signal)
      say(`${countText(removed, 'node')} removed`)
    },
  }
}

function networkStep(context: KindContext): Step {
  return {
    title: 'Registry and docker network',
    async run({ say }) {
      const done = [
        ...((await removeRegistry(context)) ? ['registry with what it held'] : []),
        ...((await removeNetwork(context)) ? ['network'] : []),
      ]
      say(done.length === 0 ? 'nothing was there' : `${done.join(', ')} removed`)
    },
  }
}

function stateStep(context: KindContext, work: Work): Step {
  const { paths } = context
  return {
    title: 'Kubeconfig and state',
    async run({ say }) {
      const memory = await readKindMemoryIfWhole(paths)
      const wasKnown = await isThere(paths.cluster)
      // A context of that name is somebody else's if nodes of that name remain, or if we never made any.
      const isOur = (wasKnown || work.foundOurs) && (await nodesOf(context)).length === 0
      const done = [
        ...(isOur && (await removeContext(context, memory?.madeKubeconfig ?? false)) ? ['context'] : []),
        ...(wasKnown ? ['state'] : []),
      ]
      await removeLoginsOf(context.user, paths.state, context.clock)
      await removeState(context)
      say(done.length === 0 ? 'nothing was there' : `${done.join(', ')} removed`)
    },
  }
}
