import type { Step } from '../driver.ts'
import { checkedAddressPool, chooseAddressPool } from '../manifest/pool.ts'
import type { UpOptions } from '../options.ts'
import { locked } from '../shared/locked-steps.ts'
import { ciliumStep } from './addons/cilium.ts'
import { controllersStep } from './addons/controllers.ts'
import { type KindContext, namespaceOf } from './context.ts'
import { ensureNetwork, readNetwork, removeNetwork } from './docker/network.ts'
import { registryStep } from './images/registry.ts'
import { clusterStep } from './nodes/cluster.ts'
import { hostsStep } from './nodes/hosts.ts'
import { addContext, removeContext } from './nodes/kubeconfig.ts'
import { nodeImagesStep } from './nodes/load-archives.ts'
import { preflightStep } from './preflight.ts'
import { readKindMemory, remember } from './state.ts'
import { stateStep } from './state-step.ts'

/** Brings the kind cluster up, with its registry and the controllers of its profile. */
export function upSteps(context: KindContext, options: UpOptions): Step[] {
  return locked(context, options.retain, bringUp(context, options))
}

/**
 * The same without the lock, for a caller that has it. Once complete it stays: a later failure, as of a deployment,
 * undoes nothing of it.
 */
export function bringUp(context: KindContext, options: UpOptions = { retain: false }): Step[] {
  return asWhole([
    preflightStep(context, options),
    stateStep(context, options),
    networkStep(context),
    registryStep(context),
    clusterStep(context, options.retain),
    kubeconfigStep(context),
    poolStep(context),
    hostsStep(context),
    nodeImagesStep(context),
    ciliumStep(context),
    controllersStep(context),
  ])
}

/** Steps that are undone only while the last of them is not done. */
function asWhole(steps: readonly Step[]): Step[] {
  let done = false
  return steps.map((step, at) => ({
    title: step.title,
    async run(report) {
      await step.run(report)
      done = at === steps.length - 1
    },
    ...(step.undo && {
      async undo() {
        if (!done) await step.undo?.()
      },
      undoes: () => !done && (step.undoes?.() ?? true),
    }),
  }))
}

function networkStep(context: KindContext): Step {
  let made = false
  return {
    title: 'Docker network',
    async run({ signal, say }) {
      made = await ensureNetwork(context, signal)
      const network = await readNetwork(context)
      if (network) await remember(context.paths, { network: network.id })
      say(`${made ? '' : 'already there: '}${network?.subnet}`)
    },
    async undo() {
      if (made) await removeNetwork(context)
    },
    undoes: () => made,
  }
}

function kubeconfigStep(context: KindContext): Step {
  const { paths } = context
  let made = false
  return {
    title: 'Context in the kubeconfig',
    async run({ say }) {
      made = (await readKindMemory(paths))?.pool === null
      await addContext(context, namespaceOf(context))
      say(`kind-${paths.name}; the current context stays as it is`)
    },
    async undo() {
      if (!made) return
      const memory = await readKindMemory(paths)
      await removeContext(context, memory?.madeKubeconfig ?? false)
    },
    undoes: () => made,
  }
}

function poolStep(context: KindContext): Step {
  const { paths } = context
  return {
    title: 'Address pool',
    async run({ say }) {
      const [memory, network] = [await readKindMemory(paths), await readNetwork(context)]
      if (!memory || !network) return
      const pool = memory.pool ? checkedAddressPool(memory.pool.cidr, network) : chooseAddressPool(network)
      await remember(paths, { pool })
      say(`${pool.cidr} of ${network.subnet}`)
    },
  }
}
