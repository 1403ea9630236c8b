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

/** 1.19 is made for the Gateway API 1.4; templates/kubernetes/cilium-values.yaml is of its chart. */
const publishedChart = 'https://helm.cilium.io/cilium-1.19.5.tgz'
const release: Release = { name: 'cilium', namespace: 'kube-system' }

/** Images are pulled, an operator makes definitions, an agent starts on every node. */
const readyMsMax = 10 * 60_000
const installMsMax = 5 * 60_000
const waitSeconds = 120

const closedNetwork = [
  "Where the internet is out of reach, name files in kind.yaml: `chart`, cilium's, and `controllers`, the definitions of the Gateway API.",
]

/**
 * helm answers, and the chart can be had: asked before anything is made, so that nothing has to be
 * undone for the lack of it. What is installed already needs no chart.
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
    // A cluster that is new has nothing to go back to: it is removed as a whole.
    async undo() {
      if (former !== undefined) await rollBack(context, release, former, { msMax: installMsMax })
    },
    undoes: () => former !== undefined,
  }
}

/** After nodes were started again, which `controllers` is forgotten for, the agents start again too. */
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

/** The definitions go in first: the chart makes a GatewayClass, and the operator looks for them once, when it starts. */
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

/** Its operator makes the definitions of a pool when it starts. */
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

/** The others wait for it on nodes that nothing may be put on until it runs: that is no trouble of theirs. */
function isCilium({ metadata }: Pod): boolean {
  return metadata.labels?.['app.kubernetes.io/part-of'] === 'cilium'
}

const mark = z.object({ print: z.string() })

/** Tells what was installed last and got ready. */
function markOf({ paths }: KindContext): string {
  return join(paths.state, 'cilium.json')
}

/** Of all that an installation follows from; a cluster that was made anew has another container. */
async function printOf(context: KindContext, { container, pool }: KindMemory, values: string): Promise<string> {
  const chart = chartOf(context)
  const hash = createHash('sha256')
  if (isAbsolute(chart)) hash.update(await chartBytes(chart))
  return hash
    .update(JSON.stringify([container, pool, values, chart, controllersOf(context.settings, 'cilium')]))
    .digest('hex')
}

/** A chart in a folder is known by its path alone. @throws Failure 'not-found' */
async function chartBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    if (errnoOf(cause) === 'EISDIR') return Buffer.alloc(0)
    throw new Failure('not-found', `the chart cannot be read: ${messageOf(cause)}`, { where: path, cause })
  }
}
