import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Step, UpOptions } from '../driver.ts'
import { chooseAddressPool } from '../manifest/pool.ts'
import { yamlText } from '../manifest/write.ts'
import { isThere, privateFolder, remove, removeEmpty, writeWhole } from '../process/files.ts'
import { locked } from '../process/locked.ts'
import { kindConfig } from './config.ts'
import type { KindContext } from './context.ts'
import { controllersStep } from './controllers.ts'
import { addContext, removeContext } from './kubeconfig.ts'
import { createNetwork, readNetwork, removeNetwork } from './network.ts'
import { assertOurs, nodesOf } from './nodes.ts'
import { docker, kind, kubectl } from './programs.ts'
import { readKindMemory, writeKindMemory } from './state.ts'

/** A node image is pulled, a control plane starts. */
const createMsMax = 15 * 60_000
const waitSeconds = 300

/** Brings the kind cluster up, with the controllers of its profile. */
export function upSteps(context: KindContext, { retain }: UpOptions): Step[] {
  return locked(context, retain, bringUp(context))
}

/** The same without the lock, for a caller that has it. */
export function bringUp(context: KindContext): Step[] {
  return [
    programsStep(context),
    stateStep(context),
    networkStep(context),
    clusterStep(context),
    kubeconfigStep(context),
    poolStep(context),
    controllersStep(context),
  ]
}

const startDocker = ['Start docker, or give this user access to its socket; DOCKER_HOST may name another.']

function programsStep(context: KindContext): Step {
  return {
    title: 'docker, kind, kubectl',
    async run({ signal, say }) {
      const [server, own] = await Promise.all([
        docker(context, ['version', '--format', '{{.Server.Version}}'], { signal, next: startDocker }),
        kind(context, ['version', '--quiet'], { signal }),
      ])
      say(`docker ${server.trim()}, kind ${own.trim()}`)
      assertOurs(context, await readKindMemory(context.paths), await nodesOf(context, signal))
    },
  }
}

function stateStep(context: KindContext): Step {
  const { paths, surroundings, settings } = context
  let made = false
  return {
    title: `State of cluster "${paths.name}"`,
    async run({ say }) {
      if (await readKindMemory(paths)) return say('already there')
      made = true
      await privateFolder(paths.state, surroundings.uid)
      const madeKubeconfig = !(await isThere(paths.userKubeconfig))
      await writeKindMemory(paths, {
        profile: settings.profile,
        container: null,
        network: null,
        pool: null,
        controllers: null,
        madeKubeconfig,
        deployment: null,
        images: null,
      })
      say(paths.state)
    },
    async undo() {
      if (made) await removeState(context)
    },
  }
}

function networkStep(context: KindContext): Step {
  let made = false
  return {
    title: 'Docker network',
    async run({ signal, say }) {
      made = (await readNetwork(context)) === undefined
      if (made) await createNetwork(context, signal)
      const network = await readNetwork(context)
      say(`${made ? '' : 'already there: '}${network?.subnet}`)
    },
    async undo() {
      if (made) await removeNetwork(context)
    },
  }
}

function clusterStep(context: KindContext): Step {
  const { paths, settings } = context
  let made = false
  return {
    title: 'Kind cluster',
    async run({ signal, say }) {
      const memory = await readKindMemory(paths)
      const nodes = await nodesOf(context, signal)
      assertOurs(context, memory, nodes)
      if (memory?.container && nodes.length > 0) {
        const stopped = nodes.filter(({ running }) => !running)
        for (const { id } of stopped) await docker(context, ['start', id], { signal })
        await untilApiAnswers(context, signal)
        return say(stopped.length === 0 ? 'already running' : `${stopped.length} nodes started again`)
      }
      // A record without a container: an earlier `up` was killed while it made this.
      if (nodes.length > 0) await kind(context, ['delete', 'cluster', '--name', paths.name], { msMax: createMsMax })
      made = true
      const template = join(context.templates, 'kind/cluster.yaml')
      const config = kindConfig(await readFile(template, 'utf8'), template, {
        name: paths.name,
        nodes: settings.nodes,
        ...(settings.nodeImage !== undefined && { image: settings.nodeImage }),
        profile: settings.profile,
        published: [],
      })
      await writeWhole(paths.config, yamlText([config]))
      say('being made')
      const wait = settings.profile === 'cilium' ? '0s' : `${waitSeconds}s`
      const args = ['create', 'cluster', '--config', paths.config, '--kubeconfig', paths.kubeconfig, '--wait', wait]
      await kind(context, args, { signal, msMax: createMsMax })
      const first = (await nodesOf(context, signal)).find(({ name }) => name === `${paths.name}-control-plane`)
      if (memory) await writeKindMemory(paths, { ...memory, container: first?.id ?? null, controllers: null })
      say(`${settings.nodes} nodes`)
    },
    async undo() {
      if (made) await kind(context, ['delete', 'cluster', '--name', paths.name], { msMax: createMsMax })
    },
  }
}

/** After a start of docker the API server takes some seconds. */
async function untilApiAnswers(context: KindContext, signal: AbortSignal): Promise<void> {
  const args = ['wait', '--for=condition=Ready', 'nodes', '--all', `--timeout=${waitSeconds}s`]
  await docker(context, ['exec', `${context.paths.name}-control-plane`, 'sh', '-c', apiLoop], {
    signal,
    msMax: waitSeconds * 1000,
  })
  await kubectl(context, args, { signal, msMax: waitSeconds * 1000 })
}

const apiLoop =
  'until kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz >/dev/null 2>&1; do sleep 1; done'

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
  }
}

function poolStep(context: KindContext): Step {
  const { paths } = context
  return {
    title: 'Address pool',
    async run({ say }) {
      const [memory, network] = [await readKindMemory(paths), await readNetwork(context)]
      if (!memory || !network) return
      const pool = memory.pool ?? chooseAddressPool(network)
      await writeKindMemory(paths, { ...memory, network: network.ours ? network.id : null, pool })
      say(`${pool.cidr} of ${network.subnet}`)
    },
  }
}

/** The servers' namespace. */
export function namespaceOf({ paths }: KindContext): string {
  return paths.name
}

/** Removes our own folder. */
export async function removeState({ paths }: KindContext): Promise<void> {
  await remove(paths.state)
  await removeEmpty(paths.stateRoot)
}
