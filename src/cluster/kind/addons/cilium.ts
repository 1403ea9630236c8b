import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { errnoOf, Failure, messageOf } from '../../../core/failure.ts'
import { writeWhole } from '../../../host/files.ts'
import type { Step, StepReport } from '../../driver.ts'
import { applyObjects } from '../../kubernetes/apply.ts'
import { readObjects } from '../../kubernetes/documents.ts'
import type { Pod } from '../../kubernetes/pods.ts'
import { poolObjects } from '../../manifest/profile.ts'
import { yamlText } from '../../manifest/write.ts'
import { readState } from '../../shared/state-file.ts'
import type { KindContext } from '../context.ts'
import { kubectl } from '../docker/programs.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import { controllersOf } from '../settings.ts'
import { type KindMemory, readKindMemory } from '../state.ts'
import { ciliumValues } from './cilium-values.ts'
import { helm, installChart, type Release, rollBack, showChart } from './helm.ts'
import { watchControllers } from './watch.ts'

/** 1.19 is built for the Gateway API 1.4; templates/kubernetes/cilium-values.yaml matches its chart. */
const publishedChart = 'https://helm.cilium.io/cilium-1.19.5.tgz'
const release: Release = { name: 'cilium', namespace: 'kube-system' }

/** Allows for pulling images, the operator creating definitions, and an agent starting on every node. */
const readyMsMax = 10 * 60_000
const installMsMax = 5 * 60_000
const waitSeconds = 120

const closedNetwork = [
  "Where the internet is out of reach, name files in kind.yaml: `chart`, cilium's, and `controllers`, the definitions of the Gateway API.",
]

/**
 * Checks that helm answers and the chart is available before anything is made, so that nothing has to be undone for
 * lack of it. What is installed already needs no chart.
 * @throws Failure 'precondition' without helm, 'program' without the chart
 */
export async function assertHelm(context: KindContext, signal: AbortSignal): Promise<void> {
  await helm(context, ['version', '--short'], { signal })
  if ((await readState(markOf(context), mark)) !== undefined) return
  await showChart(context, chartOf(context), { signal, next: closedNetwork })
}

/**
 * Installs cilium where it is the cluster's profile: the Gateway API's definitions, the chart, and
 * the pool once cilium's own definitions are there. Nodes are not ready before, so nothing else can be.
 * @throws (from run) Failure as installChart, applyObjects and watchControllers do
 */
export function ciliumStep(context: KindContext): Step {
  const { paths } = context
  let former: number | undefined
  return {
    title: 'Network of the pods',
    async run(report) {
      const memory = await readKindMemory(paths)
      if (memory?.profile !== 'cilium') return report.say("kind's own")
      const values = await valuesOf(context, memory)
      const wanted = await printOf(context, memory, values)
      if ((await readState(markOf(context), mark))?.print === wanted)
        return report.say(await stillRuns(context, memory, report))
      await applyGatewayApi(context, report)
      former = await install(context, values, report)
      await untilRuns(context, report)
      await applyPool(context, memory, report)
      await writeWhole(markOf(context), JSON.stringify({ print: wanted }))
      report.say(`cilium: ${basename(chartOf(context))}`)
    },
    // A new cluster has nothing to go back to: it is removed as a whole.
    async undo() {
      if (former !== undefined) await rollBack(context, release, former, { msMax: installMsMax })
    },
    undoes: () => former !== undefined,
  }
}

/** After a restart of nodes, for which `controllers` is reset, the agents restart, too. */
async function stillRuns(context: KindContext, { controllers }: KindMemory, report: StepReport): Promise<string> {
  if (controllers !== null) return 'cilium: already there'
  await untilRuns(context, report)
  return 'cilium: already there, and ready'
}

async function untilRuns(context: KindContext, report: StepReport): Promise<void> {
  await watchControllers(context, { namespaces: [release.namespace], msMax: readyMsMax, report, counts: isCilium })
  await untilTrue(context, 'Ready', ['nodes', '--all'], report.signal)
}

async function valuesOf(context: KindContext, memory: KindMemory): Promise<string> {
  const file = join(context.templates, 'kubernetes/cilium-values.yaml')
  const byName = memory.archives.length + context.settings.archives.length > 0
  return yamlText([ciliumValues(await readFile(file, 'utf8'), file, { cluster: context.paths.name, byName })])
}

function chartOf({ settings }: KindContext): string {
  return settings.chart ?? publishedChart
}

/**
 * The definitions are applied first: the chart creates a GatewayClass, and the operator looks for them only once, at
 * start.
 */
async function applyGatewayApi(context: KindContext, report: StepReport): Promise<void> {
  const kubernetes = await kubernetesOf(context, report)
  for (const source of controllersOf(context.settings, 'cilium')) {
    report.say(source)
    await applyObjects(kubernetes, await readObjects(source, report.signal), { signal: report.signal })
  }
}

/** @returns the revision that ran before */
async function install(context: KindContext, values: string, { signal, say }: StepReport): Promise<number | undefined> {
  const file = join(context.paths.state, 'cilium-values.yaml')
  await writeWhole(file, values)
  const chart = chartOf(context)
  say(`${chart} is being installed`)
  return installChart(context, release, chart, file, { signal, msMax: installMsMax, next: closedNetwork })
}

/** Its operator creates the definitions of a pool at start. */
async function applyPool(context: KindContext, { pool }: KindMemory, report: StepReport): Promise<void> {
  if (!pool) return
  const kinds = ['ciliumloadbalancerippools', 'ciliuml2announcementpolicies'].map((each) => `crd/${each}.cilium.io`)
  await untilTrue(context, 'Established', kinds, report.signal)
  const objects = poolObjects({ profile: 'cilium' }, pool)
  await applyObjects(await kubernetesOf(context, report), objects, { signal: report.signal })
}

async function untilTrue(
  context: KindContext,
  condition: string,
  objects: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const args = ['wait', `--for=condition=${condition}`, ...objects, `--timeout=${waitSeconds}s`]
  await kubectl(context, args, { signal, msMax: (waitSeconds + 10) * 1000 })
}

/** The other pods wait for cilium, since no node accepts them until it runs: that is not a fault of theirs. */
function isCilium({ metadata }: Pod): boolean {
  return metadata.labels?.['app.kubernetes.io/part-of'] === 'cilium'
}

const mark = z.object({ print: z.string() })

/** The file that records what was last installed and became ready. */
function markOf({ paths }: KindContext): string {
  return join(paths.state, 'cilium.json')
}

/** A fingerprint of everything that determines an installation; a recreated cluster has another container. */
async function printOf(context: KindContext, { container, pool }: KindMemory, values: string): Promise<string> {
  const chart = chartOf(context)
  const hash = createHash('sha256')
  if (isAbsolute(chart)) hash.update(await chartBytes(chart))
  return hash
    .update(JSON.stringify([container, pool, values, chart, controllersOf(context.settings, 'cilium')]))
    .digest('hex')
}

/** A chart in a folder is identified only by its path. @throws Failure 'not-found' */
async function chartBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    if (errnoOf(cause) === 'EISDIR') return Buffer.alloc(0)
    throw new Failure('not-found', `the chart cannot be read: ${messageOf(cause)}`, { where: path, cause })
  }
}
