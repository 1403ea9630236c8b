import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type Deployment, hasConsole } from '../../config/deployment.ts'
import type { ServerSpec } from '../../config/supervisor.ts'
import { readIfThere, remove, writeWhole } from '../../host/files.ts'
import { withLock } from '../../host/process-lock.ts'
import { removeTree } from '../../store/disk/remove-tree.ts'
import type { StepReport } from '../driver.ts'
import { layered } from '../shared/deployment-layers.ts'
import { choosePorts, isFree, type Ports } from '../shared/ports.ts'
import type { ProcessContext } from './context.ts'
import { ensureLogin } from './login.ts'
import { isPrivate } from './private.ts'
import { portUses, type Rendered, renderServers, workerCount } from './render.ts'
import { ensureSecret } from './secret.ts'
import { type ClusterMemory, portsOfOthers, writeMemory } from './state.ts'
import { leftText, sayPorts } from './up.ts'

/** The state that the steps of one deployment share. */
export interface Work {
  /** From the file and the options. */
  asked: Deployment
  /** The same, merged with what was remembered; set from the step on that chooses ports. */
  deployment: Deployment
  /** The requested ports, by what listens on them. */
  ports: Ports
  /** The options came with a file: what was remembered is ignored. */
  whole: boolean
  before: ClusterMemory | undefined
  /** The previous texts of the configuration files, by path. */
  filesBefore: Map<string, string>
  rendered: Rendered[]
  /** What ran before; undefined until that is known. */
  specsBefore: readonly ServerSpec[] | undefined
}

/** Chooses the remaining ports, and writes everything that follows from the deployment. */
export async function configure(context: ProcessContext, work: Work, report: StepReport): Promise<void> {
  const { paths, clock } = context
  const deployment = layered(work.whole ? {} : (work.before?.deployment ?? {}), work.asked)
  work.deployment = deployment
  await withLock(paths.portsLock, { clock, signal: report.signal }, async () => {
    const uses = portUses(workerCount(deployment), hasConsole(deployment))
    const { ports, moved } = await choosePorts(
      uses,
      { ...(work.before && (await knownPorts(work.before))), ...work.ports },
      await portsOfOthers(paths),
    )
    await writeMemory(paths, { ports, deployment })
    const secret = await ensureSecret(paths)
    await ensureLogin(context, deployment, ports)
    work.rendered = renderServers({
      ...context,
      deployment,
      ports,
      secret,
      private: await isPrivate(deployment, context),
    })
    sayPorts(report, ports, moved)
  })
  await writeConfigs(work)
}

/**
 * The ports to keep: those of the servers that are deployed, which people know. Others, of a cluster that is only up or
 * of workers that there were once, are replaced if another program has taken them since.
 */
export async function knownPorts({ ports, deployment }: Pick<ClusterMemory, 'ports' | 'deployment'>): Promise<Ports> {
  const deployed = new Set(deployment ? portUses(workerCount(deployment), hasConsole(deployment)) : [])
  const kept = await Promise.all(
    Object.entries(ports).map(async (each) => (deployed.has(each[0]) || (await isFree(each[1])) ? [each] : [])),
  )
  return Object.fromEntries(kept.flat())
}

async function writeConfigs(work: Work): Promise<void> {
  for (const { file, text } of work.rendered) {
    const old = await readIfThere(file)
    if (old !== undefined) work.filesBefore.set(file, old)
    if (old !== text) await writeWhole(file, text)
  }
}

/** Undoes what the configuration step wrote; servers that ask for tokens again ask this user as well. */
export async function restore(context: ProcessContext, work: Work): Promise<void> {
  for (const { file } of work.rendered) {
    const old = work.filesBefore.get(file)
    if (old === undefined) await remove(file)
    else await writeWhole(file, old)
  }
  if (!work.before) return
  const { ports, deployment } = work.before
  await writeMemory(context.paths, { ports, deployment })
  if (deployment) await ensureLogin(context, deployment, ports)
}

/**
 * Removes the configurations and folders of workers that no longer exist.
 * @returns a text about what could not be removed; '' when everything was
 */
export async function removeFormer({ paths }: ProcessContext, work: Work): Promise<string> {
  const left: string[] = []
  const names = new Set(work.rendered.map(({ spec }) => spec.name))
  for (const file of await readdir(paths.configs)) {
    const name = basename(file, '.yaml')
    if (names.has(name)) continue
    await remove(join(paths.configs, file))
    if (!name.startsWith('worker-')) continue
    const folder = join(paths.data, name)
    left.push(leftText(await removeTree(folder), folder))
  }
  return left.filter((text) => text !== '').join('; ')
}

/** The server specs for the supervisor. */
export function specsOf(work: Work): ServerSpec[] {
  return work.rendered.map(({ spec }) => spec)
}
