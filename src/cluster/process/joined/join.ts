import { hostname } from 'node:os'
import { isTicket } from '../../../access/token.ts'
import type { ServerSpec } from '../../../config/supervisor.ts'
import { Failure } from '../../../core/failure.ts'
import { readIfThere, writeWhole } from '../../../host/files.ts'
import { withLock } from '../../../host/process-lock.ts'
import type { Step } from '../../driver.ts'
import type { JoinOptions } from '../../options.ts'
import { locked } from '../../shared/locked-steps.ts'
import { choosePorts } from '../../shared/ports.ts'
import { versionOf } from '../../shared/usage.ts'
import type { ProcessContext } from '../context.ts'
import { isPrivate } from '../private.ts'
import { joinedPortUses, type Rendered } from '../render.ts'
import { type ClusterMemory, type Joined, portsOfOthers, readMemory, writeMemory } from '../state.ts'
import { askSupervisor, supervisorStatusAt } from '../supervisor-client.ts'
import { foldersStep, supervisorStep } from '../up.ts'
import { untilSettled, whileUp } from '../watch.ts'
import { untilConnected } from './connected.ts'
import {
  type Exchange,
  exchangeOf,
  forgetInvitation,
  forgetOthers,
  type InvitationFiles,
  invitationOf,
  makeInvitation,
  writeToken,
} from './files.ts'
import { freeNameStep } from './free-name.ts'
import { type Met, meetScheduler } from './introduce.ts'
import { givenUp, retired } from './redeem.ts'
import { renderJoined, workerFile } from './render.ts'

/** In addition to the drain of an existing worker: what its successor may take to start. */
const settleMsMargin = 60_000

/** The state that the steps share. */
interface Work {
  readonly options: JoinOptions
  before: Before | undefined
  files: InvitationFiles | undefined
  /** The previous worker's invitation. */
  former: Awaited<ReturnType<typeof invitationOf>>
  /** Undefined for a token that others use, too. */
  exchange: Exchange | undefined
  met: Met | undefined
  rendered: Rendered | undefined
}

/** What this machine had if it already worked for a cluster; all of it is restored when joining fails. */
interface Before {
  readonly memory: ClusterMemory
  readonly configuration: string | undefined
  /** The supervisor's specs; undefined until it has been asked. */
  specs: readonly ServerSpec[] | undefined
}

/** Makes this machine a worker of the cluster that invited it; another invitation replaces the first. */
export function joinSteps(context: ProcessContext, options: JoinOptions): Step[] {
  const work: Work = {
    options,
    before: undefined,
    files: undefined,
    former: undefined,
    exchange: isTicket(options.token) ? exchangeOf(context.paths, options.token) : undefined,
    met: undefined,
    rendered: undefined,
  }
  return locked(context, false, [
    freeNameStep(context),
    foldersStep(context),
    invitationStep(context, work),
    supervisorStep(context),
    configurationStep(context, work),
    workerStep(context, work),
  ])
}

function invitationStep(context: ProcessContext, work: Work): Step {
  const { paths, user, release } = context
  return {
    title: 'Invitation',
    async run(report) {
      const { url, token } = work.options
      const memory = await readMemory(paths)
      if (memory) work.before = { memory, configuration: await readIfThere(workerFile(paths)), specs: undefined }
      work.former = await invitationOf(workerFile(paths))
      const files = await makeInvitation({ paths, uid: user.uid }, work.options, report.signal)
      try {
        const caller = { url, token, tls: files.tls, version: versionOf(release), exchange: work.exchange }
        work.met = await meetScheduler(caller, report.signal)
        await writeToken(files, work.met.token)
        work.files = files
      } catch (error) {
        await forgetInvitation(files)
        throw error
      }
      const { met } = work
      const through = met.cas === url ? '; its cache is reached through the scheduler alone' : `, cache ${met.cas}`
      report.say(`${url} (release ${met.version}) accepts this machine${through}`)
    },
    undo: () => restore(context, work),
    undoes: () => work.files !== undefined,
    undone: () => (work.before ? `this machine works for ${work.before.memory.joined?.scheduler} as before` : 'done'),
  }
}

/** Restarts the previous worker, and forgets the unused invitation. */
async function restore({ paths }: ProcessContext, work: Work): Promise<void> {
  const { before, files, met, options, exchange } = work
  if (!files) return
  if (before) {
    if (before.configuration !== undefined) await writeWhole(workerFile(paths), before.configuration)
    await writeMemory(paths, before.memory)
    const { specs = [] } = before
    if (specs.length > 0 && (await supervisorStatusAt(paths)))
      await askSupervisor(paths, { op: 'apply', servers: [...specs] })
  }
  if (met && exchange) await givenUp({ url: options.url, token: met.token, tls: files.tls }, exchange)
  await forgetInvitation(files)
}

function configurationStep(context: ProcessContext, work: Work): Step {
  const { paths, clock } = context
  return {
    title: 'Configuration of the worker',
    async run(report) {
      const { options, files, met } = work
      if (!files || !met) throw new Failure('internal', 'the invitation was not read')
      const joined: Joined = {
        scheduler: options.url,
        cas: met.cas,
        worker: options.worker ?? workerNameFor(paths.name),
      }
      const rendered = await withLock(paths.portsLock, { clock, signal: report.signal }, async () => {
        const known = (await readMemory(paths))?.ports ?? {}
        const { ports } = await choosePorts(joinedPortUses, known, await portsOfOthers(paths))
        await writeMemory(paths, { ports, deployment: null, joined })
        const metricsPort = ports[joinedPortUses[0]] ?? 0
        const closed = await isPrivate({}, context)
        return renderJoined(context, {
          options,
          ...joined,
          files,
          token: met.token,
          metricsPort,
          private: closed,
        })
      })
      work.rendered = rendered
      await writeWhole(rendered.file, rendered.text)
      report.say(`it is called ${joined.worker}`)
    },
  }
}

/** The machine's name, plus what distinguishes two workers on one machine. */
function workerNameFor(name: string): string {
  return name === 'native' ? hostname() : `${hostname()}-${name}`
}

function workerStep(context: ProcessContext, work: Work): Step {
  const { paths } = context
  return {
    title: 'Worker',
    async run(report) {
      const { rendered } = work
      if (!rendered) throw new Failure('internal', 'the worker has no configuration')
      const specs = [rendered.spec]
      const before = await askSupervisor(paths, { op: 'status' }, report.signal)
      if (work.before) work.before.specs = before.desired
      await askSupervisor(paths, { op: 'apply', servers: specs }, report.signal)
      const drains = before.servers.map(({ spec }) => spec.drainMs)
      await untilSettled(context, specs, Math.max(0, ...drains) + settleMsMargin, report.signal)
      await whileUp(context, specs, report.signal, (signal) => untilConnected(context.clock, rendered.spec, signal))
      await giveBack(work)
      await forgetOthers(paths, work.files?.folder)
      report.say('the scheduler has accepted it')
    },
    async undo() {
      await askSupervisor(paths, { op: 'apply', servers: [] })
    },
  }
}

/** The previous worker's token is not needed any more. */
async function giveBack({ former, files }: Work): Promise<void> {
  const token = former && former.folder !== files?.folder ? await readIfThere(former.token) : undefined
  if (!former || token === undefined) return
  // It expires by itself if its scheduler cannot be told.
  await retired({ url: former.scheduler, token: token.trim(), tls: former.tls }).catch(() => false)
}
