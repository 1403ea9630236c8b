import { Failure } from '../../core/failure.ts'
import type { Step } from '../driver.ts'
import { appliedText, applyObjects } from '../kubernetes/apply.ts'
import { awaitGateways, readGateways } from '../kubernetes/gateways.ts'
import { doors } from '../manifest/gateways.ts'
import type { KindContext } from './context.ts'
import { kubernetesOf } from './kubernetes.ts'
import { forget, objectsOf, plan, type Work, withoutClaimsThatAreThere } from './plan.ts'
import { readKindMemory } from './state.ts'
import { namespaceOf } from './up.ts'

const gatewayMsMax = 3 * 60_000

/** What stays over every deployment of the application: addresses survive it. */
export function operationsStep(context: KindContext, work: Work): Step {
  return {
    title: 'Operations: namespace, volume, gateways',
    async run(report) {
      const { operations } = await plan(context, work)
      const kubernetes = await kubernetesOf(context, report)
      const { signal } = report
      const objects = await withoutClaimsThatAreThere(kubernetes, objectsOf(operations), signal)
      report.say(appliedText(await applyObjects(kubernetes, objects, { signal })))
    },
    undo: () => forget(context, work),
  }
}

/** Gateways that are programmed and have addresses; with servers behind them, whose routes are attached too. */
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

/** Before anything is made: there has to be a cluster, on which an application alone can be. */
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

/** An application needs the volume and the doors that operations have made. */
export function assertOperationsStep(context: KindContext): Step {
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
      report.say('already there')
    },
  }
}
