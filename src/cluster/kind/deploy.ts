import type { DeployOptions, Step } from '../driver.ts'
import { listPods } from '../kubernetes/pods.ts'
import { runOnWorker, untilAnswers } from '../process/answers.ts'
import { locked } from '../process/locked.ts'
import { applicationStep } from './application.ts'
import type { KindContext } from './context.ts'
import { kubernetesOf } from './kubernetes.ts'
import { assertOperationsStep, assertUpStep, gatewaysStep, operationsStep } from './operations.ts'
import { newWork, settingsStep } from './plan.ts'
import { serverImagesSteps } from './server-images.ts'
import { workersOf } from './servers.ts'
import { clusterAddressesNow } from './status.ts'
import { bringUp, namespaceOf } from './up.ts'

/**
 * Applies the objects and waits until clients can work through the Gateways. What an earlier
 * deployment asked for stays unless it is asked otherwise; a configuration file starts from the defaults.
 */
export function deploySteps(context: KindContext, options: DeployOptions): Step[] {
  const work = newWork()
  const { only } = options
  const images = serverImagesSteps(context, options, work)
  const operations = [operationsStep(context, work)]
  const application = [
    applicationStep(context, work),
    gatewaysStep(context, true),
    answersStep(context),
    actionsStep(context),
  ]
  if (only === 'application')
    return [
      settingsStep(options, work),
      assertUpStep(context),
      ...locked(context, false, [...bringUp(context), assertOperationsStep(context), ...images, ...application]),
    ]
  const rest = only === 'operations' ? [gatewaysStep(context, false)] : application
  return [
    settingsStep(options, work),
    ...locked(context, false, [...bringUp(context), ...images, ...operations, ...rest]),
  ]
}

/** After a node was started again the proxies of the Gateways are tried anew at growing intervals, of a minute too. */
const answerMsMax = 3 * 60_000

function answersStep(context: KindContext): Step {
  return {
    title: 'Cache and scheduler answer',
    async run(report) {
      const addresses = await clusterAddressesNow(context, await kubernetesOf(context, report), report.signal)
      const urls = [addresses.cache.url, addresses.scheduler.url]
      await Promise.all(urls.map((url) => untilAnswers(url, context.clock, report.signal, answerMsMax)))
      report.say(urls.join(', '))
    },
  }
}

function actionsStep(context: KindContext): Step {
  return {
    title: 'A first action on every worker',
    async run(report) {
      const kubernetes = await kubernetesOf(context, report)
      const { scheduler } = await clusterAddressesNow(context, kubernetes, report.signal)
      const workers = workersOf(await listPods(kubernetes, namespaceOf(context), report.signal))
      const names = workers.map(({ metadata }) => metadata.name)
      await Promise.all(
        names.map((name) => runOnWorker(scheduler.url, name, context.clock, report.signal, answerMsMax)),
      )
      report.say(names.length === 0 ? 'there are no workers' : `${names.length} of ${names.length} workers`)
    },
  }
}
