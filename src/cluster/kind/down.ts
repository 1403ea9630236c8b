import { Failure } from '../../core/failure.ts'
import type { DownOptions, Step } from '../driver.ts'
import { isThere } from '../process/files.ts'
import { locked } from '../process/locked.ts'
import { removeState } from './begin.ts'
import { deleteCluster } from './cluster.ts'
import type { KindContext } from './context.ts'
import { removeContext } from './kubeconfig.ts'
import { removeNetwork } from './network.ts'
import { areOurs, nodesOf } from './nodes.ts'
import { removeRegistry } from './registry.ts'
import { readKindMemoryIfWhole } from './state.ts'
import { endStrays } from './strays.ts'

/**
 * Removes all that `up` made, what is remembered last: a `down` that was ended is finished by the next.
 * The data is inside of the nodes and goes with them.
 */
export function downSteps(context: KindContext, { keepData }: DownOptions): Step[] {
  const work: Work = { foundOurs: false }
  return locked(context, false, [clusterStep(context, keepData, work), networkStep(context), stateStep(context, work)])
}

interface Work {
  /** Nodes were there, and they were ours, whatever was remembered of them. */
  foundOurs: boolean
}

function clusterStep(context: KindContext, keepData: boolean, work: Work): Step {
  return {
    title: 'Kind cluster',
    async run({ signal, say }) {
      if (keepData)
        throw new Failure(
          'unimplemented',
          'what the cache holds is inside of the nodes, and cannot be kept without them',
          {
            where: '--keep-data',
            next: [
              'Leave it away to remove all; `docker stop` of the nodes keeps them with their data, and `native up` starts them again.',
            ],
          },
        )
      const strays = await endStrays(context, signal)
      const nodes = await nodesOf(context, signal)
      if (nodes.length === 0) return say(strays === 0 ? 'nothing was there' : 'one that was being made was ended')
      if (!(await areOurs(context, await readKindMemoryIfWhole(context.paths), nodes)))
        return say('there is one that is not ours; it stays')
      work.foundOurs = true
      const removed = await deleteCluster(context, signal)
      say(`${removed} node${removed === 1 ? '' : 's'} removed`)
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
      // A context of that name is another's where nodes of that name still are, or we never made any.
      const isOur = (wasKnown || work.foundOurs) && (await nodesOf(context)).length === 0
      const done = [
        ...(isOur && (await removeContext(context, memory?.madeKubeconfig ?? false)) ? ['context'] : []),
        ...(wasKnown ? ['state'] : []),
      ]
      await removeState(context)
      say(done.length === 0 ? 'nothing was there' : `${done.join(', ')} removed`)
    },
  }
}
