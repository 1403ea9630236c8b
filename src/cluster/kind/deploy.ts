import type { Step } from '../driver.ts'
import { listPods } from '../kubernetes/pods.ts'
import type { DeployOptions } from '../options.ts'
import { locked } from '../shared/locked-steps.ts'
import { authorizeAs } from '../shared/owners-login.ts'
import { runOnWorker, untilAnswers } from '../shared/readiness.ts'
import { type KindContext, namespaceOf } from './context.ts'
import { serverImagesSteps } from './images/choice.ts'
import { clusterAddressesNow } from './inspect/status.ts'
import { kubernetesOf } from './nodes/api-server.ts'
import { applicationStep } from './rollout/application.ts'
import { certificateStep } from './rollout/certificate.ts'
import { assertOperationsStep, assertUpStep, gatewaysStep, operationsStep } from './rollout/operations.ts'
import { newWork, settingsStep } from './rollout/plan.ts'
import { secretStep } from './rollout/secret.ts'
import { workersOf } from './rollout/servers.ts'
import { tokensStep } from './rollout/tokens.ts'
import { bringUp } from './up.ts'

/**
 * Applies the objects and waits until clients can work through the Gateways. What an earlier deployment requested is
 * kept unless overridden; a configuration file starts from the defaults.
 */
export function deploySteps(context: KindContext, options: DeployOptions): Step[] {
  const work = newWork()
  const { only } = options
  const images = serverImagesSteps(context, options, work)
  const operations = [operationsStep(context, work)]
  const secrets = [secretStep(context, work), certificateStep(context, work), tokensStep(context, work)]
  const application = [
    ...secrets,
    applicationStep(context, work),
    gatewaysStep(context, true),
    answersStep(context),
    actionsStep(context),
  ]
  if (only === 'application')
    return [
      settingsStep(context, options, work),
      assertUpStep(context),
      ...locked(context, false, [...bringUp(context), assertOperationsStep(context, work), ...images, ...application]),
    ]
  const rest = only === 'operations' ? [...secrets, gatewaysStep(context, false)] : application
  return [
    settingsStep(context, options, work),
    ...locked(context, false, [...bringUp(context), ...images, ...operations, ...rest]),
  ]
}

/** After a node was restarted, the Gateways' proxies are retried at growing intervals of up to a minute. */
const answerMsMax = 3 * 60_000

function answersStep(context: KindContext): Step {
  return {
    title: 'Cache and scheduler answer',
    async run(report) {
      const addresses = await clusterAddressesNow(context, await kubernetesOf(context, report), report.signal)
      const { cache, scheduler } = addresses
      const authorize = authorizeAs(context.user)
      await Promise.all(
        [cache, scheduler].map((each) => untilAnswers(each, context.clock, report.signal, answerMsMax, authorize)),
      )
      report.say(`${cache.url}, ${scheduler.url}`)
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
      const authorize = authorizeAs(context.user)
      await Promise.all(
        names.map((name) => runOnWorker(scheduler, name, context.clock, report.signal, answerMsMax, authorize)),
      )
      report.say(names.length === 0 ? 'there are no workers' : `${names.length} of ${names.length} workers`)
    },
  }
}
