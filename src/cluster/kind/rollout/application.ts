import { z } from 'zod'
import { hasConsole } from '../../../config/deployment.ts'
import { Failure } from '../../../core/failure.ts'
import type { Step } from '../../driver.ts'
import { appliedText, applyObjects, deleteObject } from '../../kubernetes/apply.ts'
import type { Kubernetes } from '../../kubernetes/connect.ts'
import { annotatePod, deletePods, isReady, listPods, type Pod } from '../../kubernetes/pods.ts'
import { awaitObserved } from '../../kubernetes/rollout.ts'
import { consoleKeys } from '../../manifest/console.ts'
import { manifestsOf } from '../../manifest/layout.ts'
import type { KubeObject } from '../../manifest/object.ts'
import { fingerprintKey } from '../../manifest/pod.ts'
import type { ManifestRequest } from '../../manifest/request.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import type { KindMemory } from '../state.ts'
import { forget, objectsOf, plan, requestOf, type Work } from './plan.ts'
import { isOf, workersOf } from './servers.ts'
import { watchServers } from './watch.ts'

const rolloutMsMax = 10 * 60_000
/** The time limit for undoing a failed deployment; an API server that is away must not delay a Ctrl-C for longer. */
const undoMsMax = 60_000
/** And for what ran before to be ready again. */
const readyMsMax = 3 * 60_000

const isWorkload = ({ kind }: { readonly kind: string }) => kind === 'StatefulSet' || kind === 'Deployment'

/** The servers: applied, and then watched until the last one is ready. */
export function applicationStep(context: KindContext, work: Work): Step {
  return {
    title: 'Application: cache, scheduler, workers, console',
    async run(report) {
      const request = await plan(context, work)
      const objects = applicationOf(request, work)
      const kubernetes = await kubernetesOf(context, report)
      const { signal } = report
      await chooseSurplus(context, kubernetes, objects, signal)
      const told = (each: Work['applied'][number]) => void work.applied.push(each)
      const applied = await applyObjects(kubernetes, objects, { signal, told })
      if (!hasConsole(request.deployment))
        for (const key of consoleKeys(request)) await deleteObject(kubernetes, key, signal)
      const counts = isNewest(objects)
      await removeStuck(context, kubernetes, counts, signal)
      await watchServers(context, { namespaces: [namespaceOf(context)], msMax: rolloutMsMax, report, counts })
      report.say(`${appliedText(applied)}; all are ready`)
    },
    undo: () => takeBack(context, work),
  }
}

/** The servers' own objects; their pods restart when the Secret changes. */
function applicationOf(request: ManifestRequest, { secretPrint }: Work): KubeObject[] {
  return objectsOf(manifestsOf({ ...request, ...(secretPrint !== undefined && { secretPrint }) }).application)
}

/**
 * Restores what ran before, and what was remembered; objects that are new are removed. Waits until what ran before is
 * ready again.
 */
async function takeBack(context: KindContext, work: Work): Promise<void> {
  const { applied, before } = work
  await forget(context, work)
  if (applied.length === 0 || !before) return
  const former = await restoredInTime(context, work, before)
  if (former.length === 0) return
  const report = { signal: new AbortController().signal, say: () => undefined }
  const counts = isNewest(former)
  await watchServers(context, { namespaces: [namespaceOf(context)], msMax: readyMsMax, report, counts })
}

async function restoredInTime(context: KindContext, work: Work, before: KindMemory): Promise<readonly KubeObject[]> {
  const signal = AbortSignal.timeout(undoMsMax)
  try {
    return await restore(context, work, before, signal)
  } catch (cause) {
    if (!signal.aborted) throw cause
    throw new Failure('deadline', `the previous deployment could not be restored within ${undoMsMax / 1000} s`, {
      next: ['Run `native deploy` again once the cluster answers.'],
      cause,
    })
  }
}

/** @returns the objects that are as before; none where nothing was changed that had been there */
async function restore(
  context: KindContext,
  work: Work,
  before: KindMemory,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const { applied } = work
  const kubernetes = await kubernetesOf(context, { say: () => undefined })
  const created = applied.filter(({ change }) => change === 'created')
  for (const { key } of created.reverse()) await deleteObject(kubernetes, key, signal)
  const isTouched = applied.some(({ key, change }) => isWorkload(key) && change !== 'created')
  if (!before.deployment || !before.images || !isTouched) return []
  const objects = applicationOf(requestOf(context, before, before.deployment, before.images), work)
  await applyObjects(kubernetes, objects, { signal })
  await removeStuck(context, kubernetes, isNewest(objects), signal)
  return objects
}

const templated = z.object({
  spec: z.object({ template: z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()) }) }) }),
})

/** Distinguishes pods made from these objects from those of an older form. */
function isNewest(objects: readonly KubeObject[]): (pod: Pod) => boolean {
  const prints = new Set(
    objects.filter(isWorkload).map((each) => templated.parse(each).spec.template.metadata.annotations[fingerprintKey]),
  )
  return ({ metadata }) => prints.has(metadata.annotations?.[fingerprintKey])
}

/** A StatefulSet waits forever for a pod of an older form that never became ready (kubernetes #67250). */
async function removeStuck(
  context: KindContext,
  kubernetes: Kubernetes,
  isNew: (pod: Pod) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const isStuck = (pod: Pod) => isOf(pod, 'cas') && !isNew(pod) && !isReady(pod)
  if (!(await listPods(kubernetes, namespaceOf(context), signal)).some(isStuck)) return
  await awaitObserved(kubernetes, namespaceOf(context), signal)
  const pods = await listPods(kubernetes, namespaceOf(context), signal)
  await deletePods(kubernetes, pods.filter(isStuck), signal)
}

const deletionCost = 'controller.kubernetes.io/pod-deletion-cost'

/** Marks the youngest workers to be removed first when there are to be fewer, so that the others keep their caches. */
async function chooseSurplus(
  context: KindContext,
  kubernetes: Kubernetes,
  objects: readonly KubeObject[],
  signal: AbortSignal,
): Promise<void> {
  const workers = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'worker')
  const { replicas } = z.object({ replicas: z.number() }).parse(workers?.['spec'])
  const pods = workersOf(await listPods(kubernetes, namespaceOf(context), signal))
  for (const pod of pods.slice(replicas)) await annotatePod(kubernetes, pod, { [deletionCost]: '-1' }, signal)
}
