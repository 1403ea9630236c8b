import type { DownOptions, Step } from '../driver.ts'
import { locked } from '../process/locked.ts'
import type { KindContext } from './context.ts'
import { removeContext } from './kubeconfig.ts'
import { removeNetwork } from './network.ts'
import { assertOurs, nodesOf } from './nodes.ts'
import { kind } from './programs.ts'
import { readKindMemory } from './state.ts'
import { removeState } from './up.ts'

const deleteMsMax = 5 * 60_000

/** Removes all that `up` made; the data is inside the nodes and goes with them. */
export function downSteps(context: KindContext, _options: DownOptions): Step[] {
  const { paths } = context
  return locked(context, false, [
    {
      title: 'Kind cluster',
      async run({ signal, say }) {
        const nodes = await nodesOf(context, signal)
        const memory = await readKindMemory(paths)
        if (nodes.length === 0 || !memory) return say(nodes.length === 0 ? 'nothing was there' : 'not ours')
        assertOurs(context, memory, nodes)
        await kind(context, ['delete', 'cluster', '--name', paths.name], { signal, msMax: deleteMsMax })
        say(`${nodes.length} nodes removed`)
      },
    },
    {
      title: 'Docker network, kubeconfig, state',
      async run({ say }) {
        const memory = await readKindMemory(paths)
        const done = [
          (await removeNetwork(context)) ? 'network' : '',
          memory && (await removeContext(context, memory.madeKubeconfig)) ? 'context' : '',
          memory ? 'state' : '',
        ].filter((each) => each !== '')
        await removeState(context)
        say(done.length === 0 ? 'nothing was there' : `${done.join(', ')} removed`)
      },
    },
  ])
}
