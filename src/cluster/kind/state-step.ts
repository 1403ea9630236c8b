import { Failure } from '../../core/failure.ts'
import { isThere, remove, removeEmpty } from '../../host/files.ts'
import { makePrivateFolder } from '../../host/folders.ts'
import type { Step } from '../driver.ts'
import type { UpOptions } from '../options.ts'
import { clusterSpecOf } from './cluster-spec.ts'
import type { KindContext } from './context.ts'
import { readNetwork } from './docker/network.ts'
import { archiveNames, type NamedArchive } from './images/archives.ts'
import { registryOf } from './images/registry.ts'
import { nodesOf } from './nodes/nodes.ts'
import { nodeImageOf } from './nodes/versions.ts'
import { readKindMemory, remember, writeKindMemory } from './state.ts'

/** Records what is to be made before anything is. */
export function stateStep(context: KindContext, options: UpOptions): Step {
  const { paths, user, settings } = context
  let made = false
  return {
    title: `State of cluster "${paths.name}"`,
    async run({ say }) {
      const memory = await readKindMemory(paths)
      const { archives: given, ...rest } = clusterSpecOf(options, memory, settings, context.cwd)
      const before = (memory?.archives ?? []).filter(({ file }) => !given.includes(file))
      const asked = { ...rest, archives: [...before, ...(await named(given, user.tmp))] }
      const version = options.kubernetesVersion === undefined ? undefined : nodeImageOf(options.kubernetesVersion)
      const note = version?.note === undefined ? '' : `; Kubernetes ${version.note}`
      if (memory) {
        await remember(paths, asked)
        return say(`already there${note}`)
      }
      made = true
      makePrivateFolder(paths.state, user.uid)
      await writeKindMemory(paths, {
        ...asked,
        bases: {},
        published: null,
        container: null,
        network: null,
        pool: null,
        controllers: null,
        madeKubeconfig: !(await isThere(paths.userKubeconfig)),
        deployment: null,
        images: null,
      })
      say(`${paths.state}${note}`)
    },
    async undo() {
      if (!made) return
      await assertNothingLeft(context)
      await removeState(context)
    },
    undoes: () => made,
  }
}

function named(files: readonly string[], temporary: string): Promise<NamedArchive[]> {
  return Promise.all(files.map(async (file) => ({ file, names: await archiveNames(file, temporary) })))
}

/**
 * What could not be undone must still be known as ours: `down` needs that.
 * @throws Failure 'precondition', or of docker when it does not answer
 */
async function assertNothingLeft(context: KindContext): Promise<void> {
  const left = [
    ...(await nodesOf(context)).map(({ name }) => name),
    ...((await readNetwork(context))?.ours ? ['the docker network'] : []),
    ...((await registryOf(context)) ? ['the registry'] : []),
  ]
  if (left.length > 0)
    throw new Failure(
      'precondition',
      `kept, because ${left.join(', ')} could not be removed; \`native down\` does that`,
    )
}

/** Removes our own folder. */
export async function removeState({ paths }: Pick<KindContext, 'paths'>): Promise<void> {
  await remove(paths.state)
  await removeEmpty(paths.stateRoot)
}
