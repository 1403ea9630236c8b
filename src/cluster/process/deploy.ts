import { isDeepStrictEqual } from 'node:util'
import { assertCertificatesAsked } from '../../config/access.ts'
import { deploymentConfig } from '../../config/deployment.ts'
import { loadConfig } from '../../config/load.ts'
import type { ServerSpec, SupervisorStatus } from '../../config/supervisor.ts'
import { parseHostPort } from '../../core/address.ts'
import { Failure } from '../../core/failure.ts'
import { wait } from '../../host/wait.ts'
import type { CallTarget } from '../../wire/tls/called.ts'
import type { Step, StepReport } from '../driver.ts'
import type { DeployOptions } from '../options.ts'
import { fromOptions, layered } from '../shared/deployment-layers.ts'
import { locked } from '../shared/locked-steps.ts'
import { authorizeAs } from '../shared/owners-login.ts'
import { runOnWorker, untilAnswers } from '../shared/readiness.ts'
import { askedPorts, assertPortsUsable } from './asked-ports.ts'
import { absolute, certificatesStep, namedCertificates } from './certificates.ts'
import { configure, removeFormer, restore, specsOf, type Work } from './configure.ts'
import type { ProcessContext } from './context.ts'
import { doorOf, targetAt } from './door.ts'
import { assertCanExpose } from './exposure.ts'
import { assertPossible } from './possible.ts'
import { accessStep } from './private.ts'
import { readMemory } from './state.ts'
import { clusterStatus } from './status.ts'
import { askSupervisor } from './supervisor-client.ts'
import { bringUp } from './up.ts'
import { untilSettled, whileUp } from './watch.ts'
import { imageMsMax, imageRemark, pinnedImage } from './worker-image.ts'

/** How many times ports are chosen again when another program takes them first. */
const portTriesMax = 3

/** In addition to the drains of the servers that are stopped: what the others may take to start. */
const settleMsMargin = 60_000
/** How long servers that run again may take to find each other, and how often that is looked at. */
const meetMsMax = 10_000
const meetLookMs = 200

/**
 * Runs the servers as requested. What an earlier deployment requested is kept unless overridden; a configuration file
 * starts from the defaults.
 */
export function deploySteps(context: ProcessContext, options: DeployOptions): Step[] {
  const work: Work = {
    asked: {},
    deployment: {},
    ports: {},
    whole: false,
    before: undefined,
    filesBefore: new Map(),
    rendered: [],
    specsBefore: undefined,
  }
  return [
    settingsStep(context, options, work),
    ...locked(context, false, [
      ...bringUp(context, work),
      configureStep(context, work),
      certificatesStep(context, work),
      accessStep(context),
      serversStep(context, work),
      answersStep(context, work),
      actionsStep(context, work),
    ]),
  ]
}

function settingsStep(context: ProcessContext, options: DeployOptions, work: Work): Step {
  const { paths } = context
  return {
    title: 'Settings',
    async run(report) {
      const file = options.configFile
      const fromFile = file === undefined ? {} : await loadConfig(file, deploymentConfig)
      work.whole = file !== undefined
      const { workerImage } = options
      const asked = { ...fromOptions(options), ...(workerImage !== undefined && { worker_image: workerImage }) }
      work.asked = absolute(layered(fromFile, asked))
      const isFromFile = options.workers === undefined && options.slots === undefined
      assertPossible(work.asked, isFromFile ? file : undefined)
      const memory = await readMemory(paths)
      if (memory?.joined) throw joinedAlready(paths.name, memory.joined.scheduler)
      const before = work.whole ? {} : (memory?.deployment ?? {})
      const image = await pinnedImage(context, work.asked, before, report.signal)
      if (image !== undefined) work.asked = { ...work.asked, worker_image: image }
      const deployment = layered(before, work.asked)
      assertCertificatesAsked(deployment)
      await assertCanExpose(deployment)
      await namedCertificates(deployment)
      work.ports = askedPorts(options)
      await assertPortsUsable(work.ports, paths)
      report.say((file ?? 'no configuration file') + imageRemark(image))
    },
  }
}

function joinedAlready(name: string, scheduler: string): Failure {
  return new Failure('exists', `this machine works for ${scheduler} as "${name}"`, {
    where: '--name',
    next: ['Deploy under another name: native deploy --name mine. `native leave` removes the other one.'],
  })
}

function configureStep(context: ProcessContext, work: Work): Step {
  return {
    title: 'Configuration of the servers',
    async run(report) {
      work.before = await readMemory(context.paths)
      await configure(context, work, report)
    },
    undo: () => restore(context, work),
    undone: () => (work.before?.deployment ? 'it is as before' : 'done'),
  }
}

function serversStep(context: ProcessContext, work: Work): Step {
  const { paths } = context
  return {
    title: 'Servers',
    async run(report) {
      const status = await askSupervisor(paths, { op: 'status' }, report.signal)
      work.specsBefore = status.desired
      for (let tries = 1; ; tries += 1) {
        try {
          await apply(context, work, status, report)
          return
        } catch (error) {
          if (!(tries < portTriesMax && error instanceof Failure && error.kind === 'exists')) throw error
          // Of a server that was not deployed before, nobody has been told the port, so another will do.
          const specs = specsOf(work)
          await configure(context, work, report)
          if (isDeepStrictEqual(specsOf(work), specs)) throw error
        }
      }
    },
    async undo() {
      await restore(context, work)
      if (work.specsBefore) await untilAsBefore(context, work.specsBefore)
    },
    undone: () => ((work.specsBefore ?? []).length > 0 ? 'the cluster is as before' : 'they are ended'),
  }
}

/** Has the former servers run again, and waits until they do. */
async function untilAsBefore(context: ProcessContext, specs: readonly ServerSpec[]): Promise<void> {
  const { paths, clock } = context
  const before = await askSupervisor(paths, { op: 'status' })
  await askSupervisor(paths, { op: 'apply', servers: [...specs] })
  await untilSettled(context, specs, settleMsMax(before), new AbortController().signal)
  // They serve, and have to find each other.
  for (const end = clock.now() + meetMsMax; clock.now() < end; await wait(meetLookMs, clock))
    if ((await clusterStatus(context)).state !== 'degraded') return
}

/** Hands the servers to the supervisor and waits until they serve. */
async function apply(context: ProcessContext, work: Work, before: SupervisorStatus, report: StepReport): Promise<void> {
  const specs = specsOf(work)
  await askSupervisor(context.paths, { op: 'apply', servers: specs }, report.signal)
  report.say(changesText(before.desired, specs))
  await untilSettled(context, specs, settleMsMax(before), report.signal)
}

function settleMsMax({ servers }: SupervisorStatus): number {
  return Math.max(0, ...servers.map(({ spec }) => spec.drainMs)) * 3 + settleMsMargin
}

function answersStep(context: ProcessContext, work: Work): Step {
  return {
    title: 'Cache and scheduler answer',
    async run(report) {
      const [cache, scheduler] = [targetOf(context, work, 'cas'), targetOf(context, work, 'scheduler')]
      const authorize = authorizeAs(context.user)
      await whileUp(context, specsOf(work), report.signal, async (signal) => {
        await Promise.all(
          [cache, scheduler].map((each) => untilAnswers(each, context.clock, signal, undefined, authorize)),
        )
      })
      report.say(`${cache.url}, ${scheduler.url}`)
    },
  }
}

/** How to call a server of the deployment. */
function targetOf({ paths }: ProcessContext, work: Work, name: string): CallTarget {
  const address = specsOf(work).find((spec) => spec.name === name)?.address ?? ''
  return targetAt(doorOf(work.deployment, paths), parseHostPort(address).port)
}

function actionsStep(context: ProcessContext, work: Work): Step {
  return {
    title: 'A first action on every worker',
    async run(report) {
      const specs = specsOf(work)
      const scheduler = targetOf(context, work, 'scheduler')
      const msMax = work.deployment.worker_image === undefined ? undefined : imageMsMax
      const workers = specs.filter(({ role }) => role === 'worker').map(({ name }) => name)
      await whileUp(context, specs, report.signal, async (signal) => {
        const authorize = authorizeAs(context.user)
        await Promise.all(workers.map((name) => runOnWorker(scheduler, name, context.clock, signal, msMax, authorize)))
      })
      const left = await removeFormer(context, work)
      const done = workers.length === 0 ? 'there are no workers' : workers.join(', ')
      report.say(left === '' ? done : `${done}; ${left}`)
    },
  }
}

/** "2 started, 1 restarted, 1 ended, 3 unchanged". */
function changesText(before: readonly ServerSpec[], after: readonly ServerSpec[]): string {
  const old = new Map(before.map((spec) => [spec.name, spec.fingerprint]))
  const isNew = after.filter(({ name }) => !old.has(name)).length
  const same = after.filter(({ name, fingerprint }) => old.get(name) === fingerprint).length
  const ended = before.filter(({ name }) => !after.some((spec) => spec.name === name)).length
  const counts = { started: isNew, restarted: after.length - isNew - same, ended, unchanged: same }
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([word, count]) => `${count} ${word}`)
    .join(', ')
}
