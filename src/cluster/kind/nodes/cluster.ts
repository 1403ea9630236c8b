import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { countText } from '../../../core/count-text.ts'
import { Failure } from '../../../core/failure.ts'
import { writeWhole } from '../../../host/files.ts'
import type { Step, StepReport } from '../../driver.ts'
import { yamlText } from '../../manifest/write.ts'
import type { KindContext } from '../context.ts'
import { docker, kind } from '../docker/programs.ts'
import { ensureDaemonImage } from '../images/daemon-images.ts'
import { type KindMemory, readKindMemory, remember } from '../state.ts'
import { untilApiAnswers } from './api-answers.ts'
import { kindConfig } from './config.ts'
import { assertOurs, type Node, nodesOf } from './nodes.ts'
import { choosePublished, portMappingsOf } from './publish.ts'

/** Allows for pulling a node image and starting a control plane. */
const createMsMax = 15 * 60_000
const deleteMsMax = 5 * 60_000
const waitSeconds = 300
const deleteTriesMax = 3

/** The nodes: made, or started again. */
export function clusterStep(context: KindContext, retain: boolean): Step {
  const { paths } = context
  let made = false
  return {
    title: 'Kind cluster',
    async run(report) {
      const memory = await readKindMemory(paths)
      const nodes = await nodesOf(context, report.signal)
      assertOurs(context, memory, nodes)
      if (!memory) throw new Failure('precondition', `cluster "${paths.name}" has no state`, { where: paths.cluster })
      if (memory.container !== null && nodes.some(({ id }) => id === memory.container))
        return startNodes(context, memory, nodes, report)
      // A record without a container: an earlier `up` was killed while creating it, or its nodes were removed.
      await deleteCluster(context)
      made = true
      await createCluster(context, memory, retain, report)
    },
    async undo() {
      if (made) await deleteCluster(context)
    },
    undoes: () => made,
  }
}

/**
 * Deletes the nodes of this cluster; the caller has made sure that they are ours.
 * @returns how many there were
 */
export async function deleteCluster(context: KindContext, signal?: AbortSignal): Promise<number> {
  const { paths } = context
  let removed = 0
  for (let tries = 0; ; tries += 1) {
    const nodes = await nodesOf(context)
    if (nodes.length === 0) return removed
    if (tries === deleteTriesMax)
      throw new Failure('program', `nodes reappear: ${nodes.map(({ name }) => name).join(', ')}`, {
        next: ['Another program creates them. End it, and run the same command again.'],
      })
    removed = nodes.length
    const args = ['delete', 'cluster', '--name', paths.name, '--kubeconfig', paths.kubeconfig]
    await kind(context, args, { msMax: deleteMsMax, ...(signal && { signal }) })
  }
}

async function createCluster(
  context: KindContext,
  before: KindMemory,
  retain: boolean,
  report: StepReport,
): Promise<void> {
  const { paths } = context
  const { signal, say } = report
  // Everything known about the former nodes goes with them.
  const memory = await remember(paths, {
    ...(await choosePublished(context, before)),
    container: null,
    controllers: null,
    pool: null,
  })
  if (memory.nodeImage !== null) await ensureDaemonImage(context, memory.nodeImage, '--image', report)
  const template = join(context.templates, 'kind/cluster.yaml')
  const config = kindConfig(await readFile(template, 'utf8'), template, {
    name: paths.name,
    nodes: memory.nodes,
    ...(memory.nodeImage !== null && { image: memory.nodeImage }),
    profile: memory.profile,
    published: portMappingsOf(memory),
  })
  await writeWhole(paths.config, yamlText([config]))
  const wait = memory.profile === 'cilium' ? '0s' : `${waitSeconds}s`
  const args = ['create', 'cluster', '--config', paths.config, '--kubeconfig', paths.kubeconfig, '--wait', wait]
  await kind(context, [...args, ...(retain ? ['--retain'] : [])], {
    signal,
    msMax: createMsMax,
    line: (text) => tellPhase(text, say),
    next: ['`native doctor --driver kind` looks for what nodes lack; inotify limits and disk are the usual faults.'],
  })
  const first = (await nodesOf(context, signal)).find(({ name }) => name === `${paths.name}-control-plane`)
  await remember(paths, { container: first?.id ?? null })
  say(`${countText(memory.nodes, 'node')}${publishedText(memory)}`)
}

/** Reports only the phases of kind's output: ` • Starting control-plane 🕹️  ...`. */
function tellPhase(line: string, say: (text: string) => void): void {
  const phase = /^• (.*[\p{L}\p{N})])/u.exec(line)?.[1]
  if (phase !== undefined) say(phase)
}

function publishedText({ published }: KindMemory): string {
  return published ? `; 127.0.0.1:${published.cache} and :${published.scheduler} lead to them` : ''
}

/** Restarts nodes after a reboot, or after they were stopped by hand. */
async function startNodes(
  context: KindContext,
  memory: KindMemory,
  nodes: readonly Node[],
  { signal, say }: StepReport,
): Promise<void> {
  if (nodes.length < memory.nodes)
    throw new Failure('precondition', `${memory.nodes - nodes.length} of ${memory.nodes} nodes were removed`, {
      where: nodes.map(({ name }) => name).join(', '),
      next: ['Run `native down`, then `native up`: kind cannot add nodes to a cluster.'],
    })
  const stopped = nodes.filter(({ running }) => !running)
  for (const { id, name } of stopped) {
    say(`${name} is started again`)
    await docker(context, ['start', id], {
      signal,
      msMax: 120_000,
      next: [
        'If a port is taken, stop the program that uses it, or run `native down` and `native up`, which chooses other ports.',
      ],
    })
  }
  await untilApiAnswers(context, signal)
  // Controllers have to become ready again, which is waited for.
  if (stopped.length > 0) await remember(context.paths, { controllers: null })
  say(stopped.length === 0 ? 'already running' : `${stopped.length} of ${nodes.length} nodes started again`)
}
