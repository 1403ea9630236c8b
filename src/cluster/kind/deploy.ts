import { z } from 'zod'
import { pause } from '../../client/retry.ts'
import { type Deployment, deploymentConfig } from '../../config/deployment.ts'
import { loadConfig } from '../../config/load.ts'
import { Failure } from '../../core/failure.ts'
import type { DeployOptions, Step, StepReport } from '../driver.ts'
import { doors } from '../manifest/gateways.ts'
import { type Manifests, manifestsOf } from '../manifest/layout.ts'
import type { KubeObject, ObjectFile } from '../manifest/object.ts'
import { fingerprintKey } from '../manifest/pod.ts'
import type { Images, ManifestRequest } from '../manifest/request.ts'
import { yamlText } from '../manifest/write.ts'
import { runOnWorker, untilAnswers } from '../process/answers.ts'
import { locked } from '../process/locked.ts'
import { fromOptions, layered } from '../process/settings.ts'
import type { KindContext } from './context.ts'
import { loadArchives } from './images.ts'
import { kubectl } from './programs.ts'
import { type KindMemory, readKindMemory, writeKindMemory } from './state.ts'
import { clusterAddressesNow, serversOf } from './status.ts'
import { bringUp, namespaceOf } from './up.ts'
import { isReady, type Pod, podsIn, watchPods } from './watch.ts'

const rolloutMsMax = 10 * 60_000
const gatewayMsMax = 3 * 60_000
const pollMs = 500

interface Work {
  asked: Deployment
  whole: boolean
  manifests: Manifests | undefined
  /** What was remembered before; undefined until that is known. */
  before: KindMemory | undefined
}

/** Applies the objects and waits until clients can work through the Gateways. */
export function deploySteps(context: KindContext, options: DeployOptions): Step[] {
  const work: Work = { asked: {}, whole: false, manifests: undefined, before: undefined }
  return [
    settingsStep(options, work),
    ...locked(context, false, [
      ...bringUp(context),
      imagesStep(context),
      operationsStep(context, work),
      applicationStep(context, work),
      gatewaysStep(context),
      actionsStep(context),
    ]),
  ]
}

function settingsStep(options: DeployOptions, work: Work): Step {
  return {
    title: 'Settings',
    async run({ say }) {
      const file = options.configFile
      work.whole = file !== undefined
      work.asked = layered(file === undefined ? {} : await loadConfig(file, deploymentConfig), fromOptions(options))
      say(file ?? 'none but the flags')
    },
  }
}

function imagesStep(context: KindContext): Step {
  return {
    title: 'Images',
    async run(report) {
      await loadArchives(context, report)
      report.say('every node has them')
    },
  }
}

function operationsStep(context: KindContext, work: Work): Step {
  return {
    title: 'Operations: namespace, volume, gateways',
    async run(report) {
      const memory = await readKindMemory(context.paths)
      const { images } = context.settings
      if (!memory || !images) throw new Failure('precondition', 'there is no image to deploy', { where: '--image' })
      const deployment = layered(work.whole ? {} : (memory.deployment ?? {}), work.asked)
      work.before = memory
      work.manifests = manifestsOf(requestOf(context, memory, deployment, images))
      await writeKindMemory(context.paths, { ...memory, deployment, images })
      const files = work.manifests.operations
      const objects = await withoutVolumeThatIsThere(context, files)
      report.say(changesText(await apply(context, objects, report.signal)))
    },
  }
}

/** A claim cannot shrink, and most cannot grow: the one that is there stays. */
async function withoutVolumeThatIsThere(context: KindContext, files: readonly ObjectFile[]): Promise<KubeObject[]> {
  const there = await kubectl(context, [
    'get',
    'pvc',
    '--namespace',
    namespaceOf(context),
    '--output=name',
    '--ignore-not-found',
  ])
  return files
    .flatMap(({ objects }) => objects)
    .filter(({ kind }) => kind !== 'PersistentVolumeClaim' || there.trim() === '')
}

function applicationStep(context: KindContext, work: Work): Step {
  return {
    title: 'Application: cache, scheduler, workers',
    async run(report) {
      const objects = (work.manifests?.application ?? []).flatMap((each) => each.objects)
      await chooseSurplus(context, objects, report.signal)
      const changes = changesText(await apply(context, objects, report.signal))
      const counts = isNewest(objects)
      await removeStuck(context, counts)
      await watchPods(context, {
        namespaces: [namespaceOf(context)],
        msMax: rolloutMsMax,
        report,
        counts,
        settled: () => rolledOut(context),
      })
      report.say(changes)
    },
    undo: () => applyFormer(context, work),
  }
}

/** Brings back what ran before, and what was remembered. */
async function applyFormer(context: KindContext, { before }: Work): Promise<void> {
  if (!before) return
  await writeKindMemory(context.paths, before)
  if (!before.deployment || !before.images) return
  const { application } = manifestsOf(requestOf(context, before, before.deployment, before.images))
  const objects = application.flatMap((each) => each.objects)
  await apply(context, objects, new AbortController().signal)
  await removeStuck(context, isNewest(objects))
}

function requestOf(context: KindContext, memory: KindMemory, deployment: Deployment, images: Images): ManifestRequest {
  return {
    namespace: namespaceOf(context),
    deployment,
    machine: context.machine,
    images,
    profile: memory.profile,
    ...(memory.pool && { pool: memory.pool }),
    release: context.release,
  }
}

const templated = z.object({
  spec: z.object({ template: z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()) }) }) }),
})

/** Tells pods that these objects make from those of an older form. */
function isNewest(objects: readonly KubeObject[]): (pod: Pod) => boolean {
  const prints = new Set(
    objects
      .filter(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment')
      .map((each) => templated.parse(each).spec.template.metadata.annotations[fingerprintKey]),
  )
  return ({ metadata }) => prints.has(metadata.annotations?.[fingerprintKey])
}

/** A StatefulSet waits for ever for a pod of an older form that never got ready (kubernetes #67250). */
async function removeStuck(context: KindContext, isNew: (pod: Pod) => boolean): Promise<void> {
  const pods = await podsIn(context, namespaceOf(context))
  const stuck = pods.filter(
    (pod) => pod.metadata.labels?.['app.kubernetes.io/name'] === 'cas' && !isNew(pod) && !isReady(pod),
  )
  for (const { metadata } of stuck)
    await kubectl(context, ['delete', 'pod', '--namespace', metadata.namespace, metadata.name, '--wait=false'])
}

/** Marks the youngest workers as the first to go, when there are to be fewer: the others keep their caches. */
async function chooseSurplus(context: KindContext, objects: readonly KubeObject[], signal: AbortSignal): Promise<void> {
  const workers = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'worker')
  const { replicas } = z.object({ replicas: z.number() }).parse(workers?.['spec'])
  const servers = serversOf(await podsIn(context, namespaceOf(context), signal))
  const surplus = servers.filter(({ role }) => role === 'worker').slice(replicas)
  if (surplus.length === 0) return
  const names = surplus.flatMap(({ id }) => (id === null ? [] : [`pod/${id}`]))
  const cost = 'controller.kubernetes.io/pod-deletion-cost=-1'
  await kubectl(context, ['annotate', '--overwrite', '--namespace', namespaceOf(context), ...names, cost], { signal })
}

const workloads = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ generation: z.number() }),
      spec: z.object({ replicas: z.number() }),
      status: z.object({
        observedGeneration: z.number().default(0),
        replicas: z.number().default(0),
        updatedReplicas: z.number().default(0),
        readyReplicas: z.number().default(0),
      }),
    }),
  ),
})

/** Has every workload seen its newest form, and nothing of an older one left? */
async function rolledOut(context: KindContext): Promise<boolean> {
  const args = ['get', 'deployments,statefulsets', '--namespace', namespaceOf(context), '--output', 'json']
  const { items } = workloads.parse(JSON.parse(await kubectl(context, args)))
  return items.every(({ metadata, spec, status }) => {
    const counts = [status.replicas, status.updatedReplicas, status.readyReplicas]
    return status.observedGeneration === metadata.generation && counts.every((count) => count === spec.replicas)
  })
}

const gateway = z.object({
  status: z
    .object({
      addresses: z.array(z.object({ value: z.string() })).default([]),
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), message: z.string().default('') }))
        .default([]),
      listeners: z.array(z.object({ attachedRoutes: z.number() })).default([]),
    })
    .prefault({}),
})

function gatewaysStep(context: KindContext): Step {
  return {
    title: 'Gateways answer',
    async run(report) {
      const deadline = context.clock.now() + gatewayMsMax
      for (const door of doors) {
        for (;;) {
          const lack = await lackOf(context, door.gateway, report)
          if (lack === undefined) break
          report.say(`${door.gateway} ${lack}`)
          if (context.clock.now() > deadline)
            throw new Failure('deadline', `${door.gateway} ${lack}`, { where: door.gateway })
          await pause(pollMs, context.clock, report.signal)
        }
      }
      const addresses = await clusterAddressesNow(context)
      const urls = [addresses.cache.url, addresses.scheduler.url]
      await Promise.all(urls.map((url) => untilAnswers(url, context.clock, report.signal)))
      report.say(urls.join(', '))
    },
  }
}

/** What a Gateway still lacks, in words; undefined when it can be used. */
async function lackOf(context: KindContext, name: string, { signal }: StepReport): Promise<string | undefined> {
  const args = [
    'get',
    'gateway.gateway.networking.k8s.io',
    name,
    '--namespace',
    namespaceOf(context),
    '--output',
    'json',
  ]
  const { status } = gateway.parse(JSON.parse(await kubectl(context, args, { signal })))
  const programmed = status.conditions.find(({ type }) => type === 'Programmed')
  if (programmed?.status !== 'True')
    return `is not programmed: ${programmed?.message || 'its controller has not seen it'}`
  if (status.addresses.length === 0) return 'has no address'
  if (!status.listeners.some(({ attachedRoutes }) => attachedRoutes > 0)) return 'has no route'
  return undefined
}

function actionsStep(context: KindContext): Step {
  return {
    title: 'A first action on every worker',
    async run(report) {
      const { scheduler } = await clusterAddressesNow(context)
      const pods = await podsIn(context, namespaceOf(context), report.signal)
      const workers = pods
        .filter(
          ({ metadata }) => metadata.labels?.['app.kubernetes.io/name'] === 'worker' && !metadata.deletionTimestamp,
        )
        .map(({ metadata }) => metadata.name)
      await Promise.all(workers.map((name) => runOnWorker(scheduler.url, name, context.clock, report.signal)))
      report.say(workers.length === 0 ? 'there are no workers' : `${workers.length} workers`)
    },
  }
}

async function apply(context: KindContext, objects: readonly KubeObject[], signal: AbortSignal): Promise<string[]> {
  const args = [
    'apply',
    '--server-side',
    '--field-manager=native',
    '--force-conflicts',
    '--validate=strict',
    '--filename=-',
  ]
  const text = await kubectl(context, args, { signal, input: yamlText(objects), msMax: 120_000 })
  return text.split('\n').filter((line) => line !== '')
}

function changesText(lines: readonly string[]): string {
  return `${lines.length} objects applied`
}
