import { readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { isTicket } from '../../../access/token.ts'
import type { ServerSpec } from '../../../config/supervisor.ts'
import { errnoOf, Failure } from '../../../core/failure.ts'
import { readIfThere, writeWhole } from '../../../host/files.ts'
import { takeLock } from '../../../host/process-lock.ts'
import { systemFailure } from '../../../host/system-errors.ts'
import { wait } from '../../../host/wait.ts'
import { askWeb } from '../../../telemetry/ask-web.ts'
import type { Step } from '../../driver.ts'
import type { JoinOptions } from '../../options.ts'
import { locked } from '../../shared/locked-steps.ts'
import { choosePorts, loopback } from '../../shared/ports.ts'
import { versionOf } from '../../shared/usage.ts'
import type { ProcessContext } from '../context.ts'
import type { ClusterPaths } from '../paths.ts'
import { isPrivate } from '../private.ts'
import { joinedPortUses, type Rendered } from '../render.ts'
import { notesIn } from '../server-status.ts'
import { type ClusterMemory, type Joined, portsOfOthers, readMemory, writeMemory } from '../state.ts'
import { askSupervisor, supervisorStatusAt } from '../supervisor-client.ts'
import { foldersStep, supervisorStep } from '../up.ts'
import { untilSettled, whileUp } from '../watch.ts'
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
import { type Met, meetScheduler } from './introduce.ts'
import { givenUp, retired } from './redeem.ts'
import { localName, renderJoined, workerFile } from './render.ts'

/** In addition to the drain of an existing worker: what its successor may take to start. */
const settleMsMargin = 60_000
/** A scheduler that has just answered accepts the worker within this time. */
const connectMsMax = 30_000
const pollMs = 100
const askMsMax = 2_000

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
    freeStep(context),
    foldersStep(context),
    invitationStep(context, work),
    supervisorStep(context),
    configurationStep(context, work),
    workerStep(context, work),
  ])
}

/** Refuses a name that one of this user's clusters has, or for which data is kept. */
function freeStep({ paths }: ProcessContext): Step {
  return {
    title: 'This machine',
    async run(report) {
      const memory = await readMemory(paths)
      if (memory && !memory.joined)
        throw new Failure('exists', `there is a cluster "${paths.name}" on this machine`, {
          where: '--name',
          next: ['Give the worker its own name on this machine: native join --name farm ADDRESS ...'],
        })
      if (!memory && (await keepsData(paths)))
        throw new Failure(
          'exists',
          `data of a cluster "${paths.name}" was kept on this machine: leaving would remove it`,
          {
            where: paths.data,
            next: [
              'Give the worker a name of its own here: native join --name farm ADDRESS ...',
              `Or remove the data: native down${paths.name === 'native' ? '' : ` --name ${paths.name}`}`,
            ],
          },
        )
      report.say(
        memory?.joined ? `works for ${memory.joined.scheduler} so far` : 'has no cluster or worker of that name',
      )
    },
  }
}

/** Is there more than a worker's unremovable leftovers? */
async function keepsData({ data }: ClusterPaths): Promise<boolean> {
  try {
    return (await readdir(data)).some((each) => each !== localName)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw systemFailure(error, { doing: 'cannot read', where: data })
  }
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
      const lock = await takeLock(paths.portsLock, { clock, signal: report.signal })
      try {
        const known = (await readMemory(paths))?.ports ?? {}
        const { ports } = await choosePorts(joinedPortUses, known, await portsOfOthers(paths))
        await writeMemory(paths, { ports, deployment: null, joined })
        const metricsPort = ports[joinedPortUses[0]] ?? 0
        const closed = await isPrivate({}, context)
        work.rendered = renderJoined(context, {
          options,
          ...joined,
          files,
          token: met.token,
          metricsPort,
          private: closed,
        })
      } finally {
        await lock.release()
      }
      await writeWhole(work.rendered.file, work.rendered.text)
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
      await whileUp(context, specs, report.signal, (signal) => untilConnected(context, rendered, signal))
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

/** @throws Failure 'unavailable' with the worker's own message when the scheduler has not accepted it in time */
async function untilConnected({ clock }: ProcessContext, { spec }: Rendered, signal: AbortSignal): Promise<void> {
  const deadline = clock.now() + connectMsMax
  for (;;) {
    const health = await askWeb(spec.metrics ?? loopback, '/healthz', askMsMax)
    if (health?.status === 200) return
    if (clock.now() > deadline)
      throw new Failure('unavailable', `the scheduler does not accept the worker: ${reasonIn(health?.text)}`, {
        next: ['If another worker already has this name, choose another one with --worker; `native logs` shows more.'],
      })
    await wait(pollMs, clock, signal)
  }
}

function reasonIn(text: string | undefined): string {
  return notesIn(text ?? '')[0] ?? 'it says nothing'
}
