import { deploymentConfig } from '../../config/deployment.ts'
import { loadConfig } from '../../config/load.ts'
import type { ServerSpec, SupervisorStatus } from '../../config/supervisor.ts'
import { Failure } from '../../core/failure.ts'
import type { DeployOptions, Step, StepReport } from '../driver.ts'
import { runOnWorker, untilAnswers } from './answers.ts'
import { configure, removeFormer, restore, specsOf, type Work } from './configure.ts'
import type { ProcessContext } from './context.ts'
import { locked } from './locked.ts'
import { fromOptions, layered } from './settings.ts'
import { readMemory } from './state.ts'
import { askSupervisor } from './supervisor.ts'
import { bringUp } from './up.ts'
import { untilSettled, whileUp } from './watch.ts'

/** How often ports are chosen when another program is quicker to take them. */
const portTriesMax = 3

/** Beyond the drains of the servers that go: what the others may take to start. */
const settleMsMargin = 60_000

/**
 * Runs the servers as asked. What an earlier deployment asked for stays unless it is asked
 * otherwise; a configuration file starts from the defaults.
 */
export function deploySteps(context: ProcessContext, options: DeployOptions): Step[] {
  const work: Work = {
    asked: {},
    whole: false,
    before: undefined,
    filesBefore: new Map(),
    rendered: [],
    specsBefore: undefined,
  }
  return [
    settingsStep(options, work),
    ...locked(context, false, [
      ...bringUp(context),
      configureStep(context, work),
      serversStep(context, work),
      answersStep(context, work),
      actionsStep(context, work),
    ]),
  ]
}

function settingsStep(options: DeployOptions, work: Work): Step {
  return {
    title: 'Settings',
    async run(report) {
      const file = options.configFile
      const fromFile = file === undefined ? {} : await loadConfig(file, deploymentConfig)
      work.whole = file !== undefined
      work.asked = layered(fromFile, fromOptions(options))
      report.say(file ?? 'none but the flags')
    },
  }
}

function configureStep(context: ProcessContext, work: Work): Step {
  return {
    title: 'Configuration of the servers',
    async run(report) {
      work.before = await readMemory(context.paths)
      await configure(context, work, report)
    },
    undo: () => restore(context, work),
  }
}

function serversStep(context: ProcessContext, work: Work): Step {
  const { paths } = context
  return {
    title: 'Servers',
    async run(report) {
      const status = await askSupervisor(paths.socket, { op: 'status' }, report.signal)
      work.specsBefore = status.desired
      for (let tries = 1; ; tries += 1) {
        try {
          await apply(context, work, status, report)
          return
        } catch (error) {
          // Nobody has been told the ports of a first deployment: others do as well.
          const first = work.before?.deployment === null
          if (!(first && tries < portTriesMax && error instanceof Failure && error.kind === 'exists')) throw error
          await configure(context, work, report)
        }
      }
    },
    async undo() {
      await restore(context, work)
      if (work.specsBefore) await askSupervisor(paths.socket, { op: 'apply', servers: [...work.specsBefore] })
    },
  }
}

/** Hands the servers to the supervisor and waits until they serve. */
async function apply(context: ProcessContext, work: Work, before: SupervisorStatus, report: StepReport): Promise<void> {
  const specs = specsOf(work)
  await askSupervisor(context.paths.socket, { op: 'apply', servers: specs }, report.signal)
  report.say(changesText(before.desired, specs))
  const drains = before.servers.map(({ spec }) => spec.drainMs)
  await untilSettled(context, specs, Math.max(0, ...drains) * 3 + settleMsMargin, report.signal)
}

function answersStep(context: ProcessContext, work: Work): Step {
  return {
    title: 'Cache and scheduler answer',
    async run(report) {
      const urls = specsOf(work).flatMap(({ address }) => (address === null ? [] : [`grpc://${address}`]))
      await whileUp(context, specsOf(work), report.signal, async (signal) => {
        await Promise.all(urls.map((url) => untilAnswers(url, context.clock, signal)))
      })
      report.say(urls.join(', '))
    },
  }
}

function actionsStep(context: ProcessContext, work: Work): Step {
  return {
    title: 'A first action on every worker',
    async run(report) {
      const specs = specsOf(work)
      const scheduler = specs.find(({ role }) => role === 'scheduler')?.address
      const workers = specs.filter(({ role }) => role === 'worker').map(({ name }) => name)
      await whileUp(context, specs, report.signal, async (signal) => {
        const url = `grpc://${scheduler}`
        await Promise.all(workers.map((name) => runOnWorker(url, name, context.clock, signal)))
      })
      await removeFormer(context, work)
      report.say(workers.length === 0 ? 'there are no workers' : workers.join(', '))
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
