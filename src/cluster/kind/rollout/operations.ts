import { Failure } from '../../../core/failure.ts'
import type { Step } from '../../driver.ts'
import { appliedText, applyObjects } from '../../kubernetes/apply.ts'
import { awaitGateways, readGateways } from '../../kubernetes/gateways.ts'
import { speaksTls } from '../../manifest/client-secrets.ts'
import { doors } from '../../manifest/gateways.ts'
import { manifestsOf } from '../../manifest/layout.ts'
import { layered } from '../../shared/deployment-layers.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import { readKindMemory } from '../state.ts'
import { forget, objectsOf, plan, requestOf, type Work, withoutClaimsThatAreThere } from './plan.ts'

const gatewayMsMax = 3 * 60_000
/** The time limit for undoing a failed deployment. */
const undoMsMax = 60_000

/** What stays over every deployment of the application: addresses survive it. */
export function operationsStep(context: KindContext, work: Work): Step {
  return {
    title: 'Operations: namespace, volume, gateways',
    async run(report) {
      const { operations } = manifestsOf(await plan(context, work))
      const kubernetes = await kubernetesOf(context, report)
      const { signal } = report
      const objects = await withoutClaimsThatAreThere(kubernetes, objectsOf(operations), signal)
      report.say(appliedText(await applyObjects(kubernetes, objects, { signal })))
    },
    undo: () => takeBack(context, work),
  }
}

/** Restores how clients reach what ran before: with TLS, or without. */
async function takeBack(context: KindContext, work: Work): Promise<void> {
  const { before, request } = work
  await forget(context, work)
  if (!before?.deployment || !before.images || !request) return
  if (speaksTls(before.deployment) === speaksTls(request.deployment)) return
  const kubernetes = await kubernetesOf(context, { say: () => undefined })
  const { operations } = manifestsOf(requestOf(context, before, before.deployment, before.images))
  const gateways = objectsOf(operations).filter(({ kind }) => kind === 'Gateway' || kind === 'Service')
  await applyObjects(kubernetes, gateways, { signal: AbortSignal.timeout(undoMsMax) })
}

/** Waits for Gateways that are programmed and have addresses; with servers behind them, also for attached routes. */
export function gatewaysStep(context: KindContext, servers: boolean): Step {
  return {
    title: servers ? 'Gateways and routes' : 'Gateways',
    async run(report) {
      const kubernetes = await kubernetesOf(context, report)
      const namespace = namespaceOf(context)
      await awaitGateways(kubernetes, { namespace, doors, servers, msMax: gatewayMsMax, report })
      const gateways = await readGateways(kubernetes, namespace, report.signal)
      const addresses = doors.map(({ gateway }) => `${gateway} ${gateways.get(gateway)?.status.addresses[0]?.value}`)
      report.say(addresses.join(', '))
    },
  }
}

const operationsFirst = ['Run `native deploy --only operations` first, or leave --only out to deploy both.']

/** Checked before anything is made: there has to be a cluster for an application alone. */
export function assertUpStep(context: KindContext): Step {
  return {
    title: 'Cluster',
    async run({ say }) {
      const memory = await readKindMemory(context.paths)
      if (!memory?.container)
        throw new Failure('precondition', `there is no cluster "${context.paths.name}" with operations on it`, {
          where: '--only application',
          next: operationsFirst,
        })
      say('there')
    },
  }
}

/** An application needs the volume and the Gateways that operations have made. */
export function assertOperationsStep(context: KindContext, work: Work): Step {
  return {
    title: 'Operations',
    async run(report) {
      const kubernetes = await kubernetesOf(context, report)
      const gateways = await readGateways(kubernetes, namespaceOf(context), report.signal)
      const missing = doors.filter(({ gateway }) => !gateways.has(gateway)).map(({ gateway }) => gateway)
      if (missing.length > 0)
        throw new Failure('precondition', `operations are not deployed: there is no ${missing.join(', no ')}`, {
          where: '--only application',
          next: operationsFirst,
        })
      const before = (await readKindMemory(context.paths))?.deployment ?? {}
      if (speaksTls(before) !== speaksTls(layered(work.whole ? {} : before, work.asked)))
        throw new Failure('precondition', 'TLS is spoken by the Gateways, which are operations', {
          where: '--only application',
          next: operationsFirst,
        })
      report.say('already there')
    },
  }
}
